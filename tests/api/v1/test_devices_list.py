import time
from types import SimpleNamespace

from django.db import connection
from django.test.utils import CaptureQueriesContext

from api.v1.device_encoding import encode_devices, loaded
from api.v1.secrets import Secrets
from devices.models import Device, DeviceSecrets
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.data.device_facts import IPHONE_INFORMATION, IPHONE_SECURITY
from tests.factories import (
    make_assignment_group,
    make_attribute,
    make_attribute_value,
    make_channel,
    make_device,
)

URL = "/api/v1/devices"
ASK = {"include_secret_custom_attributes": "true"}


class DevicesListTest(AccountTestCase):
    def ids(self, **query) -> list[int]:
        response = self.api.get(URL, query)
        self.assertEqual(response.status_code, 200, response.content)
        return [row["id"] for row in response.json()["data"]]

    def test_it_lists_the_devices_of_the_account(self):
        device = make_device(self.account)
        make_device(self.other_account)
        body = self.api.get(URL).json()
        self.assertEqual([row["id"] for row in body["data"]], [device.pk])
        self.assertEqual(body["data"][0]["type"], "device")
        self.assertIs(body["has_more"], False)
        self.assertEqual(
            body["data"][0]["relationships"],
            {
                "device_group": {"data": {"type": "device_group", "id": self.group.pk}},
                "groups": {"data": []},
                "custom_attribute_values": {"data": []},
            },
        )

    def test_awaited_devices_are_shown_on_request(self):
        known, awaited = make_device(self.account), make_device(self.account, enrolled=False)
        self.assertEqual(self.ids(), [known.pk])
        for no in ("false", "False", "0", ""):
            self.assertEqual(self.ids(include_awaiting_enrollment=no), [known.pk])
        for yes in ("true", "True", "1"):
            self.assertEqual(self.ids(include_awaiting_enrollment=yes), [known.pk, awaited.pk])

    def test_unenrolled_devices_stay_in_the_list_and_removed_ones_do_not(self):
        left = make_device(self.account, state="unenrolled")
        removed = make_device(self.account)
        self.api.delete(f"{URL}/{removed.pk}")
        self.assertEqual(self.ids(), [left.pk])

    def test_search_looks_into_every_identifier(self):
        device = make_device(
            self.account,
            name="Sara's iPad",
            serial_number="DNFJE9DNG5MG",
            imei="35 445506 652132 5",
            wifi_mac="f0:db:e2:df:e9:2f",
            phone_number="+15555555555",
        )
        make_device(self.account)
        for text in ("sara", "SARA'S", "dnfje9", device.udid.lower(), "652132", "354455066521325", "E9:2F", "+1555"):
            self.assertEqual(self.ids(search=text), [device.pk], text)
        self.assertEqual(self.ids(search="%"), [])
        self.assertEqual(len(self.ids(search="")), 2)

    def test_search_does_not_leave_the_account(self):
        foreign = make_device(self.other_account)
        self.assertEqual(self.ids(search=foreign.serial_number), [])

    def test_a_wrong_flag_is_refused(self):
        response = self.api.get(URL, {"include_awaiting_enrollment": "perhaps"})
        self.assertEqual(response.status_code, 422)
        self.assertIn("include_awaiting_enrollment", response.json()["errors"][0]["title"])

    def test_it_tells_the_assignment_groups_and_the_values_that_count(self):
        first, second = make_device(self.account), make_device(self.account)
        attribute = make_attribute(self.account, "office", default="Berlin")
        make_attribute_value(second, attribute, "Rome")
        make_attribute_value(second, make_attribute(self.account, "key", secret=True), "hush")
        make_attribute(self.account, "unset")
        by_itself = make_assignment_group(self.account, members=[second, self.group], group_type="munki")
        other = make_assignment_group(self.account, members=[second])
        make_assignment_group(self.account)
        rows = {row["id"]: row["relationships"] for row in self.api.get(URL).json()["data"]}
        munki = {"type": "assignment_group", "id": by_itself.pk, "group_type": "munki"}
        standard = {"type": "assignment_group", "id": other.pk, "group_type": "standard"}
        self.assertEqual(rows[first.pk]["groups"]["data"], [munki])
        self.assertEqual(rows[second.pk]["groups"]["data"], [munki, standard])

        def value(name: str, text: str, secret: bool = False) -> dict:
            return {"type": "custom_attribute_value", "id": name, "attributes": {"value": text, "secret": secret}}

        self.assertEqual(rows[first.pk]["custom_attribute_values"]["data"], [value("office", "Berlin")])
        self.assertEqual(
            rows[second.pk]["custom_attribute_values"]["data"], [value("office", "Rome"), value("key", "", True)]
        )

    def test_secret_values_are_shown_on_request_and_that_is_one_line_of_the_log(self):
        attribute = make_attribute(self.account, "key", secret=True)
        devices = [make_device(self.account) for _ in range(60)]
        for device in devices:
            make_attribute_value(device, attribute, "hush")
        rows = self.api.get(URL, ASK | {"limit": 100}).json()["data"]
        shown = {row["relationships"]["custom_attribute_values"]["data"][0]["attributes"]["value"] for row in rows}
        self.assertEqual(shown, {"hush"})
        event = Event.objects.get(event_type="secret.viewed")
        pks = ", ".join(str(device.pk) for device in devices)
        self.assertEqual(event.metadata, {"of": "device", "secrets": {"custom attribute key": pks}})
        self.assertEqual((event.actor_label, event.device), ("Test key", None))

    def test_who_only_reads_is_refused_secret_values(self):
        make_attribute_value(make_device(self.account), make_attribute(self.account, secret=True), "hush")
        response = self.read_only_api.get(URL, ASK)
        self.assertEqual(response.status_code, 403)
        self.assertIn("may change devices", response.json()["errors"][0]["title"])
        self.assertEqual(self.read_only_api.get(URL, {"include_secret_custom_attributes": "0"}).status_code, 200)

    def test_shown_recovery_keys_are_one_line_of_the_log(self):
        devices = [make_device(self.account, platform="macOS") for _ in range(3)]
        for device in devices[1:]:
            DeviceSecrets.objects.create(account=self.account, device=device, filevault_recovery_key="ABCD-EFGH")
        self.api.get(URL, {"limit": 1})
        self.assertFalse(Event.objects.filter(event_type="secret.viewed").exists())
        self.api.get(URL)
        event = Event.objects.get(event_type="secret.viewed")
        shown = {"filevault_recovery_key": f"{devices[1].pk}, {devices[2].pk}"}
        self.assertEqual(event.metadata, {"of": "device", "secrets": shown})

    def test_the_number_of_statements_does_not_grow(self):
        attribute = make_attribute(self.account, secret=True)

        def add_device():
            device = make_device(self.account)
            make_channel(device, user_key="user")
            DeviceSecrets.objects.create(account=self.account, device=device, filevault_recovery_key="K")
            make_attribute_value(device, attribute)
            make_assignment_group(self.account, members=[device])

        add_device()
        self.api.get(URL)
        with CaptureQueriesContext(connection) as few:
            self.api.get(URL, ASK | {"limit": 1})
        for _ in range(20):
            add_device()
        with CaptureQueriesContext(connection) as many:
            self.api.get(URL, ASK | {"limit": 100})
        self.assertEqual(len(few), len(many))
        # key; devices with secrets, channels, DEP devices; memberships, assignment groups, attributes, values; log
        self.assertEqual(len(many), 9)

    def test_no_secret_of_a_channel_is_loaded(self):
        make_device(self.account)
        with CaptureQueriesContext(connection) as queries:
            self.api.get(URL)
        for secret in ("unlock_token", "bootstrap_token", "push_magic"):
            self.assertNotIn(secret, "".join(query["sql"] for query in queries))

    def test_a_hundred_devices_are_encoded_quickly(self):
        """The goal is 10 ms of CPU; the bound leaves room for a slow machine. `tests/benchmarks` has the figure."""
        attributes = [make_attribute(self.account, secret=number == 0) for number in range(5)]
        for _ in range(100):
            device = make_device(self.account, information=IPHONE_INFORMATION, security=IPHONE_SECURITY)
            for attribute in attributes:
                make_attribute_value(device, attribute)
        devices = list(loaded(Device.objects.order_by("pk")))
        secrets = Secrets(SimpleNamespace(params={}))
        encode_devices(devices[:1], secrets)
        start = time.process_time()
        bodies = encode_devices(devices, secrets)
        self.assertLess(time.process_time() - start, 0.08)
        self.assertEqual(len(bodies[0]["relationships"]["custom_attribute_values"]["data"]), 5)
