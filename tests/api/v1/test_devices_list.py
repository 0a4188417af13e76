import time

from django.db import connection
from django.test.utils import CaptureQueriesContext

from api.v1.devices import encode_device
from devices.models import Device
from tests.base import AccountTestCase
from tests.data.device_facts import IPHONE_INFORMATION, IPHONE_SECURITY
from tests.factories import make_channel, make_device

URL = "/api/v1/devices"


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
        self.assertEqual(self.ids(include_awaiting_enrollment="false"), [known.pk])
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
        for text in ("sara", "dnfje9", device.udid.lower(), "652132", "E9:2F", "+1555"):
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

    def test_the_number_of_statements_does_not_grow(self):
        for _ in range(3):
            make_channel(make_device(self.account), user_key="user")
        self.api.get(URL)
        with CaptureQueriesContext(
            connection,
        ) as few:
            self.api.get(URL, {"limit": 1})
        for _ in range(20):
            make_device(self.account)
        with CaptureQueriesContext(connection) as many:
            self.api.get(URL, {"limit": 100})
        self.assertEqual(len(few), len(many))
        self.assertEqual(len(many), 3)  # key, devices, channels

    def test_no_secret_of_a_channel_is_loaded(self):
        make_device(self.account)
        with CaptureQueriesContext(connection) as queries:
            self.api.get(URL)
        for secret in ("unlock_token", "bootstrap_token", "push_magic"):
            self.assertNotIn(secret, "".join(query["sql"] for query in queries))

    def test_a_hundred_devices_are_encoded_quickly(self):
        """The goal is 10 ms of CPU; the bound leaves room for a slow machine. `tests/benchmarks` has the figure."""
        device = make_device(self.account, information=IPHONE_INFORMATION, security=IPHONE_SECURITY)
        device = Device.objects.prefetch_related("channels").get(pk=device.pk)
        encode_device(device)
        start = time.process_time()
        for _ in range(100):
            encode_device(device)
        self.assertLess(time.process_time() - start, 0.05)
