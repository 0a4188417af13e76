from devices.models import DeviceUser
from tests.devices.results.base import ResultTestCase

JANE = {
    "UserName": "jane",
    "FullName": "Jane Doe",
    "UID": 501,
    "UserGUID": "6E0D3B6C-1111-4222-8333-444455556666",
    "IsLoggedIn": True,
    "HasSecureToken": True,
    "MobileAccount": False,
}
SHARED = {"UserName": "ana@example.com", "HasDataToSync": True, "DataQuota": 2**34, "DataUsed": 1000}


class UserListTest(ResultTestCase):
    def list_users(self, *users):
        return self.tell(self.mac, "UserList", {"Users": list(users)})

    def stored(self):
        return {user.username: user for user in DeviceUser.objects.filter(device=self.mac)}

    def test_a_macs_users_become_rows(self):
        self.assert_read(self.list_users(JANE, SHARED, {"UserName": "nobody", "UID": -2, "Extra": b"x"}))
        jane, ana = self.stored()["jane"], self.stored()["ana@example.com"]
        self.assertEqual((jane.full_name, jane.uid, jane.logged_in, jane.secure_token), ("Jane Doe", 501, True, True))
        self.assertEqual((ana.data_quota, ana.data_used, ana.data_to_sync, ana.secure_token), (2**34, 1000, True, None))
        self.assertEqual(self.stored()["nobody"].details, {"Extra": "eA=="})

    def test_the_next_list_replaces_it_and_keeps_known_rows(self):
        self.list_users(JANE, SHARED)
        kept = self.stored()["jane"].pk
        self.list_users({**JANE, "IsLoggedIn": False})
        self.assertEqual([(user.pk, user.logged_in) for user in self.stored().values()], [(kept, False)])

    def test_hostile_entries_are_cut_or_passed_over(self):
        self.list_users(JANE)
        for answer in ({}, {"Users": "jane"}):
            self.assert_read(self.tell(self.mac, "UserList", answer))
        self.assertEqual(set(self.stored()), {"jane"})
        command = self.list_users(
            "x",
            {},
            {"UserName": 7, "UID": 2**63},
            {"UserName": "u" * 999, "UID": "501", "UserGUID": "g" * 999, "DataUsed": True},
        )
        self.assert_read(command)
        self.assertEqual({user.uid for user in self.stored().values()}, {None})
        self.assertEqual(set(self.stored()), {"7", "u" * 255})
