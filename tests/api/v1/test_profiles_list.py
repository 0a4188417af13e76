from devices.models import ProfileKind
from tests.api.v1 import test_custom_configuration_profiles_list as custom
from tests.base import AccountTestCase
from tests.factories import make_device, make_group, make_profile, make_profile_assignment

URL = "/api/v1/profiles"


class ProfilesTest(AccountTestCase):
    def test_every_kind_is_in_it_and_says_which(self):
        profile = make_profile(self.account, "Office")
        declaration = make_profile(self.account, "Update", kind=ProfileKind.DECLARATION)
        make_profile(self.other_account)
        rows = self.api.get(URL).json()["data"]
        self.assertEqual(
            [(row["type"], row["id"]) for row in rows],
            [("custom_configuration_profile", profile.pk), ("custom_declaration", declaration.pk)],
        )
        for row in rows:
            self.assertEqual(self.api.get(f"{URL}/{row['id']}").json(), {"data": row})

    def test_search(self):
        make_profile(self.account, "Office")
        make_profile(self.account, "Home")
        rows = self.api.get(URL, {"search": "office"}).json()["data"]
        self.assertEqual([row["attributes"]["name"] for row in rows], ["Office"])

    def test_the_number_of_statements_does_not_grow(self):
        self.api.get(URL)  # notes when the key was used
        for count in (1, 8):
            for _ in range(count):
                profile = make_profile(self.account)
                make_profile_assignment(profile, make_device(self.account))
                make_profile_assignment(profile, make_group(self.account))
            with self.assertNumQueries(custom.STATEMENTS):
                self.api.get(URL, {"limit": 100})

    def test_an_outsider_gets_404(self):
        profile = make_profile(self.account)
        self.assertEqual(self.outsider_api.get(f"{URL}/{profile.pk}").status_code, 404)


class AssignTest(custom.AssignTest):
    base = URL

    def test_a_declaration_as_well(self):
        declaration = make_profile(self.account, kind=ProfileKind.DECLARATION)
        self.assertEqual(self.api.post(f"{URL}/{declaration.pk}/devices/{self.device.pk}").status_code, 204)
        path = f"{custom.URL}/{declaration.pk}/devices/{self.device.pk}"
        self.assertEqual(self.api.post(path).status_code, 404)
