from datetime import UTC, datetime

from mdm.channels.models import Channel
from tests.base import AccountTestCase
from tests.factories import make_channel, make_dep_device, make_dep_server, make_device

SEEN = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


class DepDevicesListTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.server = make_dep_server(self.account)
        self.url = f"/api/v1/dep_servers/{self.server.pk}/dep_devices"

    def rows(self, **query):
        return self.api.get(self.url, query).json()["data"]

    def test_all_that_apple_says_of_a_device(self):
        listed = make_dep_device(
            self.server,
            "DMPF00000001",
            description="IPHONE 14 BLACK",
            color="BLACK",
            os="iOS",
            device_family="iPhone",
            profile_status="assigned",
            profile_uuid="AB12",
            profile_assign_time=SEEN,
            device_assigned_date=SEEN,
            device_assigned_by="admin@example.com",
        )
        self.assertEqual(
            self.rows(),
            [
                {
                    "type": "dep_device",
                    "id": listed.pk,
                    "attributes": {
                        "serial_number": "DMPF00000001",
                        "model": "iPhone 14",
                        "description": "IPHONE 14 BLACK",
                        "color": "BLACK",
                        "asset_tag": None,
                        "os": "iOS",
                        "device_family": "iPhone",
                        "profile_status": "assigned",
                        "profile_uuid": "AB12",
                        "device_assigned_by": "admin@example.com",
                        "profile_assign_time": "2030-01-02T03:04:05.000Z",
                        "profile_push_time": None,
                        "device_assigned_date": "2030-01-02T03:04:05.000Z",
                        "checked_in_at": None,
                    },
                    "relationships": {
                        "device": {"data": None},
                        "dep_server": {"data": {"type": "dep_server", "id": self.server.pk}},
                    },
                }
            ],
        )

    def test_a_device_that_enrolled_is_linked_at_once_by_its_serial_number(self):
        device = make_device(self.account)
        make_dep_device(self.server, device.serial_number)
        Channel.objects.filter(device=device).update(last_seen_at=SEEN)
        make_channel(device, user_key="someone", last_seen_at=datetime(2031, 1, 1, tzinfo=UTC))
        (row,) = self.rows()
        self.assertEqual(row["relationships"]["device"], {"data": {"type": "device", "id": device.pk}})
        self.assertEqual(row["attributes"]["checked_in_at"], "2030-01-02T03:04:05.000Z")

    def test_before_it_was_seen_again_its_enrollment_counts(self):
        device = make_device(self.account, enrolled_at=SEEN)
        make_dep_device(self.server, device.serial_number)
        self.assertEqual(self.rows()[0]["attributes"]["checked_in_at"], "2030-01-02T03:04:05.000Z")

    def test_the_latest_of_several_devices_counts(self):
        old = make_device(self.account)
        new = make_device(self.account, serial_number=old.serial_number)
        make_dep_device(self.server, old.serial_number)
        self.assertEqual(self.rows()[0]["relationships"]["device"]["data"]["id"], new.pk)

    def test_removed_devices_and_those_of_other_accounts_are_not_linked(self):
        removed = make_device(self.account, removed_at=SEEN)
        make_dep_device(self.server, removed.serial_number, device=removed)
        make_dep_device(self.server, make_device(self.other_account).serial_number)
        self.assertEqual([row["relationships"]["device"]["data"] for row in self.rows()], [None, None])

    def test_only_those_of_the_server_in_pages(self):
        listed = [make_dep_device(self.server) for _ in range(3)]
        make_dep_device(make_dep_server(self.account))
        body = self.api.get(self.url, {"limit": 2}).json()
        self.assertEqual(([row["id"] for row in body["data"]], body["has_more"]), ([r.pk for r in listed[:2]], True))
        self.assertEqual([row["id"] for row in self.rows(limit=2, starting_after=listed[1].pk)], [listed[2].pk])

    def test_an_empty_list(self):
        self.assertEqual(self.api.get(self.url).json(), {"data": [], "has_more": False})

    def test_a_page_takes_the_same_number_of_statements_whatever_it_holds(self):
        self.api.get(self.url)  # a key's first use is noted
        for number in (1, 9):
            for _ in range(number):
                make_dep_device(self.server, make_device(self.account).serial_number)
            with self.assertNumQueries(4):  # the key, the server, its devices, those of the account
                self.api.get(self.url, {"limit": 100})

    def test_a_stranger_gets_404(self):
        self.assertEqual(self.outsider_api.get(self.url).status_code, 404)


class DepDevicesRetrieveTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.server = make_dep_server(self.account)
        self.listed = make_dep_device(self.server)
        self.url = f"/api/v1/dep_servers/{self.server.pk}/dep_devices"

    def test_one(self):
        body = self.api.get(f"{self.url}/{self.listed.pk}").json()
        self.assertEqual(body["data"], self.api.get(self.url).json()["data"][0])

    def test_that_of_another_server_is_404(self):
        other = make_dep_device(make_dep_server(self.account))
        foreign = make_dep_device(make_dep_server(self.other_account))
        for row in (other, foreign):
            response = self.api.get(f"{self.url}/{row.pk}")
            self.assertEqual((response.status_code, response.json()["errors"]), (404, [{"title": "object not found"}]))

    def test_a_stranger_gets_404(self):
        self.assertEqual(self.outsider_api.get(f"{self.url}/{self.listed.pk}").status_code, 404)
