"""Content tokens: adding, renewing, taking over, removing, warnings before they expire."""

import base64
import json
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from django.utils import timezone

from apps_catalog.models import ContentAsset, ContentToken, LicenceAssignment
from apps_catalog.services.licence_tokens import (
    NoContentToken,
    add_token,
    read_token,
    remove_token,
    renew_token,
    request_sync,
    take_over,
)
from apps_catalog.services.vpp_assignments import Changes
from apps_catalog.tasks import watch_content_tokens
from mdm.accounts.actors import SYSTEM
from mdm.events.models import Event
from tests.apps_catalog.base_licences import LicenceTestCase
from tests.base import AccountTestCase
from tests.factories.licences import make_content_asset, make_content_token, make_licence
from tests.fakes.vpp import FakeVpp


def token_file(**says: object) -> bytes:
    usual = {"token": "c2VjcmV0", "expDate": "2099-11-08T22:33:22+0000", "orgName": "ORG12345"}
    return base64.b64encode(json.dumps(usual | says).encode())


class ReadTokenTest(AccountTestCase):
    def test_a_token_as_apple_gives_it(self):
        found = read_token(b"\n" + token_file()[:40] + b"\n" + token_file()[40:] + b"\n")
        self.assertEqual((found.organization, found.text), ("ORG12345", token_file().decode()))
        self.assertEqual(found.expires_at, datetime(2099, 11, 8, 22, 33, 22, tzinfo=UTC))
        self.assertNotIn("c2Vj", repr(found))

    def test_anything_else_is_refused_with_a_sentence(self):
        for data in (
            b"",
            b"\xff\x00",
            b"x" * 20_000,
            b"not base64!",
            base64.b64encode(b"[]"),
            base64.b64encode(b"{" * 3000),
            token_file(token=""),
            token_file(token=5),
            token_file(expDate="tomorrow"),
            token_file(expDate=None),
            token_file(expDate="2020-01-01T00:00:00+0000"),
        ):
            with self.assertRaisesRegex(NoContentToken, r"^[A-Z].*\.$", msg=data[:40]):
                read_token(data)

    def test_a_token_without_an_organization_will_do(self):
        self.assertEqual(read_token(token_file(orgName=None)).organization, "")


class AddTest(LicenceTestCase):
    def test_it_is_stored_encrypted_and_looked_at_soon(self):
        with patch("apps_catalog.services.licence_tokens.nudge_named") as nudge:
            with self.captureOnCommitCallbacks(execute=True):
                token = add_token(self.account, self.vpp.token_file(), actor=SYSTEM)
            nudge.assert_called_once()
        self.assertLessEqual(token.sync_due_at, timezone.now())
        stored = ContentToken.objects.filter(pk=token.pk).values_list("token", flat=True)[0]
        self.assertNotIn(self.vpp.token_file(), bytes(stored))
        event = self.logged("content_token.added")
        self.assertNotIn(self.vpp.token, json.dumps(event.metadata))
        self.assertNotIn(self.vpp.token_file().decode(), str(token) + repr(token))

    def test_the_same_location_twice_is_said_to_be_there_already(self):
        self.connect()
        first = self.token
        self.connect()
        self.assertIn("here already, as Berlin", self.token.error)
        self.assertEqual((self.token.location_id, self.token.assets.count()), ("", 0))
        first.refresh_from_db()
        self.assertEqual(first.error, "")

    def test_two_accounts_may_not_manage_one_location_by_accident(self):
        self.connect()
        other = add_token(self.other_account, self.vpp.token_file(), actor=SYSTEM)
        self.work()
        other.refresh_from_db()
        self.assertEqual((other.other_mdm, other.is_ours), ("Pomona", False))

    def test_several_locations_of_one_account(self):
        self.connect()
        hamburg = self.enterContext(FakeVpp(location="Hamburg"))
        with self.settings(VPP_URL=hamburg.url):
            self.vpp = hamburg
            self.connect()
        self.assertEqual([str(one) for one in ContentToken.objects.order_by("pk")], ["Berlin", "Hamburg"])


class RenewTest(LicenceTestCase):
    def setUp(self):
        super().setUp()
        self.connect()

    def test_a_new_token_of_the_location_goes_on_where_the_old_one_ended(self):
        self.vpp.expires_at = datetime.now(UTC) - timedelta(days=1)
        self.sync()
        self.assertIn("expired", self.token.error)
        self.vpp.token, self.vpp.expires_at = "new", datetime.now(UTC) + timedelta(days=365)
        renew_token(self.token, self.vpp.token_file(), actor=SYSTEM)
        self.work()
        self.assertEqual((self.token.error, self.token.assets.count()), ("", 1))
        self.assertGreater(self.token.days_left, 360)

    def test_one_of_another_organization_is_refused_at_once(self):
        self.vpp.organization = "SOMEBODY ELSE"
        with self.assertRaisesRegex(NoContentToken, "another organization"):
            renew_token(self.token, self.vpp.token_file(), actor=SYSTEM)

    def test_one_of_another_location_changes_nothing(self):
        hamburg = self.enterContext(FakeVpp(location="Hamburg"))
        phone = self.device()
        self.assign(phone)
        self.work(2)
        with self.settings(VPP_URL=hamburg.url):
            renew_token(self.token, hamburg.token_file(), actor=SYSTEM)
            self.work(2)
        self.assertIn("another location (Hamburg)", self.token.error)
        self.assertEqual((str(self.token), hamburg.mdm), ("Berlin", {}))
        self.assertEqual(self.licences(), {phone.serial_number: "assigned"})
        renew_token(self.token, self.vpp.token_file(), actor=SYSTEM)
        self.work()
        self.assertEqual(self.token.error, "")


class RemoveTest(LicenceTestCase):
    def setUp(self):
        super().setUp()
        self.connect()
        self.phone = self.device()
        self.assign(self.phone)
        self.work(2)
        self.vpp.give(self.app.itunes_store_id, "OTHER1")
        self.sync()

    def test_licences_may_stay_with_their_devices(self):
        remove_token(self.token, SYSTEM, gives_back=False)
        self.assertFalse(ContentToken.objects.exists() or ContentAsset.objects.exists())
        self.assertEqual(self.vpp.serials(self.app.itunes_store_id), {self.phone.serial_number, "OTHER1"})

    def test_or_go_back_first_but_only_ours(self):
        remove_token(self.token, SYSTEM, gives_back=True)
        self.assertTrue(ContentToken.objects.get().is_leaving)
        self.work(2)
        self.assertEqual(self.vpp.serials(self.app.itunes_store_id), {"OTHER1"})
        self.assertFalse(ContentToken.objects.exists())
        self.assertTrue(Event.objects.filter(event_type="content_token.removed").exists())

    def test_nothing_is_given_out_by_one_that_leaves(self):
        self.vpp.looks = 99
        remove_token(self.token, SYSTEM, gives_back=True)
        other = self.device()
        self.assign(other)
        self.work(2)
        self.assertEqual((self.orders(other), self.vpp.count("/assets/associate")), (1, 1))
        remove_token(ContentToken.objects.get(), SYSTEM, gives_back=False)
        self.assertFalse(ContentToken.objects.exists())

    def test_one_without_licences_of_ours_goes_at_once(self):
        token = make_content_token(self.account)
        make_licence(make_content_asset(token))
        remove_token(token, SYSTEM, gives_back=True)
        self.assertFalse(ContentToken.objects.filter(pk=token.pk).exists())
        self.assertTrue(LicenceAssignment.objects.exists())


class AskTest(LicenceTestCase):
    def test_a_sync_that_is_asked_for_while_one_runs_is_another_one(self):
        self.connect()
        request_sync(self.token, SYSTEM)
        with patch("apps_catalog.services.vpp_work.compare") as compare:
            compare.side_effect = lambda *_: request_sync(self.token, SYSTEM) or Changes()
            with patch("apps_catalog.services.vpp_work.claim", side_effect=[self.claimed(), None]):
                self.work()
        self.token.refresh_from_db()
        self.assertLessEqual(self.token.sync_due_at, timezone.now())

    def claimed(self):
        now = timezone.now()
        ContentToken.objects.update(started_at=now)
        return ContentToken.objects.get()

    def test_taking_over_is_logged_with_whom_from(self):
        token = make_content_token(self.account, other_mdm="Other MDM")
        take_over(token, SYSTEM)
        self.assertEqual(self.logged("content_token.takeover_requested").metadata["from_mdm"], "Other MDM")


class ExpiryTest(AccountTestCase):
    def test_each_mark_is_one_line(self):
        token = make_content_token(self.account, expires_at=timezone.now() + timedelta(days=40))
        self.assertEqual(watch_content_tokens(), 0)
        for days, marks in ((29, 1), (29, 0), (13, 1), (6.5, 1), (0.5, 1), (-1, 0)):
            ContentToken.objects.update(expires_at=token.expires_at.replace(microsecond=0))
            moved = token.expires_at - timezone.now() - timedelta(days=days)
            with patch("django.utils.timezone.now", return_value=timezone.now() + moved):
                self.assertEqual(watch_content_tokens(), marks, days)
        lines = Event.objects.filter(event_type="content_token.expiring").order_by("pk")
        self.assertEqual([line.metadata["mark_days"] for line in lines], [30, 14, 7, 1])
