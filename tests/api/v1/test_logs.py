from datetime import UTC, datetime

from django.db import connection

from mdm.accounts.actors import DEVICE, Actor, Source
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_device, make_event

URL = "/api/v1/logs"


class LogsTest(AccountTestCase):
    def ids(self, **query) -> list[str]:
        response = self.api.get(URL, query)
        self.assertEqual(response.status_code, 200, response.content)
        return [row["id"] for row in response.json()["data"]]

    def test_what_a_person_did(self):
        actor = Actor(Source.ADMIN, label=self.owner.email, user_id=self.owner.pk)
        event = make_event(self.account, "user.signed_in", actor=actor)
        Event.objects.update(at=datetime(2019, 11, 6, 18, 27, 41, tzinfo=UTC))
        self.assertEqual(
            self.api.get(URL).json(),
            {
                "data": [
                    {
                        "type": "log",
                        "id": event.log_id,
                        "attributes": {
                            "namespace": "admin",
                            "event_type": "user.signed_in",
                            "level": 0,
                            "source": "admin ui",
                            "at": "11/06/19 18:27:41",
                            "metadata": {},
                            "relationships": {
                                "account": {"data": {"type": "account", "id": self.account.pk}},
                                "user": {"data": {"type": "user", "id": self.owner.pk, "email": "owner@example.com"}},
                            },
                        },
                    }
                ],
                "has_more": False,
            },
        )

    def test_what_a_program_did_to_a_device(self):
        device = make_device(self.account)
        actor = Actor(Source.API, label="Test key", api_key_id=self.api_key.pk)
        event = make_event(event_type="device.updated", device=device, actor=actor, name="New")
        response = self.api.get(f"{URL}/{event.log_id}")
        attributes = response.json()["data"]["attributes"]
        self.assertEqual((attributes["level"], attributes["metadata"]), ("info", {"name": "New"}))
        self.assertEqual(attributes["relationships"]["account"]["data"]["api_key"], "Test key")
        self.assertEqual(
            attributes["relationships"]["device"]["data"],
            {"type": "device", "id": device.pk, "serial_number": device.serial_number, "udid": device.udid},
        )

    def test_filters(self):
        device = make_device(self.account)
        signed_in = make_event(self.account, "user.signed_in", actor=Actor(Source.ADMIN))
        enrolled = make_event(event_type="device.enrolled", device=device, actor=DEVICE)
        expired = make_event(self.account, "command.expired")
        self.assertEqual(self.ids(serial_number=device.serial_number), [enrolled.log_id])
        self.assertEqual(len(self.ids(serial_number="")), 3)
        self.assertEqual(self.ids(namespaces="admin"), [signed_in.log_id])
        self.assertEqual(self.ids(namespaces="admin, device"), [signed_in.log_id, enrolled.log_id])
        self.assertEqual(self.ids(**{"namespaces[]": ["device", "system"]}), [enrolled.log_id, expired.log_id])
        self.assertEqual(self.ids(event_types="command.expired"), [expired.log_id])
        self.assertEqual(self.ids(sources="admin ui"), [signed_in.log_id])

    def test_the_cursor_is_the_id_shown(self):
        events = [make_event(self.account) for _ in range(4)]
        ids = [event.log_id for event in events]
        self.assertEqual(self.ids(limit=2), ids[:2])
        self.assertEqual(self.ids(limit=2, starting_after=ids[1]), ids[2:])
        self.assertEqual(self.ids(limit=2, starting_after="0"), ids[:2])
        self.assertEqual(self.ids(direction="desc", starting_after=ids[2]), [ids[1], ids[0]])

    def test_it_tells_whether_there_is_more(self):
        for _ in range(3):
            make_event(self.account)
        for query, expected in (({"limit": 2}, True), ({"limit": 3}, False), ({"limit": 2, "page": 2}, False)):
            self.assertIs(self.api.get(URL, query).json()["has_more"], expected, query)

    def test_the_newest_come_first_when_asked(self):
        events = [make_event(self.account) for _ in range(3)]
        self.assertEqual(self.ids(direction="desc"), [event.log_id for event in reversed(events)])
        self.assertEqual(self.ids(direction="DESC", limit=1), [events[2].log_id])
        response = self.api.get(URL, {"direction": "sideways"})
        self.assertEqual(response.status_code, 422)
        self.assertIn("direction", response.json()["errors"][0]["title"])

    def test_filters_and_cursor_go_together(self):
        device = make_device(self.account)
        first, _, third = (make_event(self.account, device=one) for one in (device, None, device))
        self.assertEqual(self.ids(serial_number=device.serial_number, starting_after=first.log_id), [third.log_id])

    def test_the_log_of_a_device_outlives_it(self):
        device = make_device(self.account)
        event = make_event(device=device)
        self.api.delete(f"/api/v1/devices/{device.pk}")
        self.assertIn(event.log_id, self.ids(serial_number=device.serial_number))

    def test_a_cursor_that_is_unknown_or_of_another_account_is_404(self):
        foreign = make_event(self.other_account)
        for cursor in (foreign.log_id, "abcde", "12"):
            self.assertEqual(self.api.get(URL, {"starting_after": cursor}).status_code, 404)

    def test_the_log_of_others_is_not_shown(self):
        foreign = make_event(self.other_account)
        self.assertEqual(self.ids(), [])
        self.assertEqual(self.api.get(f"{URL}/{foreign.log_id}").status_code, 404)

    def test_a_page_is_two_statements(self):
        actor = Actor(Source.API, label="Test key", api_key_id=self.api_key.pk)
        for _ in range(5):
            make_event(device=make_device(self.account), actor=actor)
        self.api.get(URL)
        # On PostgreSQL it is asked for plans that fit the filters, and no longer.
        with self.assertNumQueries(4 if connection.vendor == "postgresql" else 2):
            self.api.get(URL, {"limit": 100})
