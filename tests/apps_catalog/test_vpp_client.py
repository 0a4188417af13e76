"""The client of Apps and Books against the local server: what it asks, what it believes, what it makes of refusals."""

import logging
from datetime import UTC, datetime, timedelta
from unittest import TestCase

from apps_catalog.vpp_answers import (
    BadAnswer,
    ManagedElsewhere,
    Outdated,
    Refused,
    TokenRefused,
    UnknownEvent,
    Unreachable,
    VppError,
    error_of,
    read_event,
)
from apps_catalog.vpp_client import Notifications, VppClient
from tests.fakes.vpp import FakeVpp

ASSET = [("361309726", "STDQ")]


class VppClientTest(TestCase):
    def setUp(self):
        self.vpp = self.enterContext(FakeVpp())
        self.vpp.buy(361309726, 3)
        self.client = self.enterContext(self.open())

    def open(self, token: str = "", mdm_id: str = "us") -> VppClient:
        return VppClient(self.vpp.url, token or self.vpp.token_file().decode(), mdm_id=mdm_id)

    def test_the_location_and_who_manages_it(self):
        config = self.client.client_config()
        self.assertEqual((config.location_id, config.location_name), (self.vpp.location_id, "Berlin"))
        self.assertEqual((config.mdm_id, config.mdm_name), ("", ""))
        config = self.client.set_client_config(name="Pomona", metadata="https://mdm.example.com", notifications=None)
        self.assertEqual((config.mdm_id, config.mdm_name), ("us", "Pomona"))

    def test_assets_and_assignments_page_by_page(self):
        self.vpp.page_limit = 2
        self.vpp.give(361309726, "A", "B", "C")
        page = self.client.assignments()
        self.assertEqual([one["serialNumber"] for one in page.items], ["A", "B"])
        page = self.client.assignments(page.next_index)
        self.assertEqual(([one["serialNumber"] for one in page.items], page.next_index), (["C"], None))
        self.assertEqual(self.client.assignments(since_version=page.version).items, [])
        self.assertEqual(self.client.assets().items[0]["availableCount"], 0)

    def test_licences_are_given_out_and_back(self):
        event = self.client.associate(ASSET, ["A", "B"])
        self.assertFalse(self.client.event(event).is_pending)
        self.assertEqual(self.vpp.serials(361309726), {"A", "B"})
        self.client.event(self.client.disassociate(ASSET, ["A"]))
        self.assertEqual(self.vpp.serials(361309726), {"B"})

    def test_a_failed_event_says_of_what_and_of_whom(self):
        (failure,) = self.client.event(self.client.associate(ASSET, list("ABCDE"))).failures
        self.assertEqual((failure.number, failure.serials), (9709, {"D", "E"}))
        self.assertEqual((failure.adam_ids, failure.text), ({"361309726"}, "No licence is left."))

    def test_paths_come_from_the_service_configuration_of_the_same_server_only(self):
        usual = self.vpp._service()
        for url, path in (
            (f"{self.vpp.url}/mdm/v2/assignments", "/mdm/v2/assignments"),  # any path of this server
            ("https://elsewhere.example/mdm/v2/assets", "/mdm/v2/assets"),  # the usual one
            (f"{self.vpp.url}.elsewhere.example/mdm/v2/assets", "/mdm/v2/assets"),
            (None, "/mdm/v2/assets"),
        ):
            self.vpp._service = lambda url=url: usual | {"urls": usual["urls"] | {"getAssets": url}}
            with self.open() as client:
                try:
                    client.assets()
                except VppError as error:
                    self.assertIsInstance(error, BadAnswer)
            self.assertEqual(self.vpp.requests[-1], f"GET {path}")

    def test_limits_come_from_the_service_configuration(self):
        self.vpp.limits |= {"maxAssets": 7, "maxSerialNumbers": "many"}
        with self.open() as client:
            self.assertEqual((client.limits.assets, client.limits.serials), (7, 1000))

    def test_another_manager_in_an_answer_stops_everything(self):
        self.vpp.mdm = {"id": "them", "name": "Other MDM", "metadata": "x"}
        with self.assertRaises(ManagedElsewhere):
            self.client.assets()
        self.assertEqual(self.client.client_config().mdm_name, "Other MDM")

    def test_every_error_of_apple_has_its_kind_and_a_sentence(self):
        for number, status, kind in (
            (9601, 401, TokenRefused),
            (9621, 401, TokenRefused),
            (9622, 200, TokenRefused),
            (9625, 401, TokenRefused),
            (9722, 401, TokenRefused),
            (0, 401, TokenRefused),
            (9603, 500, Unreachable),
            (9646, 429, Unreachable),
            (0, 503, Unreachable),
            (9700, 400, Unreachable),
            (9650, 400, Outdated),
            (9721, 400, Outdated),
            (9708, 400, UnknownEvent),
            (9707, 400, Refused),
            (9709, 400, Refused),
            (9634, 410, Refused),
            (9999, 400, Refused),
            ("x", 400, Refused),
        ):
            error = error_of(status, number)
            self.assertIs(type(error), kind, number)
            self.assertRegex(str(error), r"^[A-Z].*[.)]$")

    def test_an_error_with_status_200_is_an_error(self):
        self.vpp.fail("/assets", 200, 9622)
        with self.assertRaises(TokenRefused):
            self.client.assets()

    def test_a_wrong_and_an_old_token_are_refused(self):
        with self.open(token="d3Jvbmc=") as client, self.assertRaises(TokenRefused):
            client.assets()
        self.vpp.expires_at = datetime.now(UTC) - timedelta(days=1)
        with self.assertRaisesRegex(TokenRefused, "expired"):
            self.client.assets()

    def test_retry_after_comes_with_the_error(self):
        self.vpp.fail("/assets", 503, headers={"Retry-After": "120"})
        with self.assertRaises(Unreachable) as caught:
            self.client.assets()
        self.assertEqual(caught.exception.retry_after_seconds, 120)

    def test_half_an_answer_no_answer_and_nonsense(self):
        self.vpp.fail("/assets", 200, body=b'{"assets": [', is_cut=True)
        with self.assertRaises(Unreachable):
            self.client.assets()
        for body in (b"<html>", b"[]", b'{"assets": 1}', b'{"assets": [], "nextPageIndex": 0}', b'{"versionId": 1}'):
            self.vpp.fail("/assets", 200, body=body)
            with self.assertRaises(BadAnswer, msg=body):
                self.client.assets()
        for body in (b"{}", b'{"eventId": 5}'):
            self.vpp.fail("/assets/associate", 200, body=body)
            with self.assertRaises(BadAnswer):
                self.client.associate(ASSET, ["A"])
        self.vpp.fail("/assets", 200, delay=2)
        with VppClient(self.vpp.url, "x", timeout=0.3) as client, self.assertRaises(VppError):
            client._service  # noqa: B018
            client.assets()

    def test_a_failed_event_without_reasons_failed_all_the_same(self):
        for failures in ([], ["x"], [{"errorNumber": "x", "errorInfo": []}]):
            (failure,) = read_event({"eventStatus": "FAILED", "failures": failures}).failures
            self.assertEqual((failure.serials, failure.adam_ids), (frozenset(), frozenset()))

    def test_the_token_is_in_no_log_and_no_error(self):
        secret = self.vpp.token_file().decode()
        with self.assertLogs("pomona.peers", logging.INFO) as logs:
            self.client.client_config()
            self.client.associate(ASSET, ["A"])
            self.vpp.fail("/assets", 401, 9622)
            with self.assertRaises(TokenRefused) as caught:
                self.client.assets()
        self.assertNotIn(secret, "\n".join(logs.output) + str(caught.exception))
        self.assertNotIn("Secret", repr(Notifications("https://mdm.example.com", "Secret")))
        self.assertIn("method=POST path=/mdm/v2/assets/associate status=200", "\n".join(logs.output))
