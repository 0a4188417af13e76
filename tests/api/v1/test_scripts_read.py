"""GET /api/v1/scripts and /api/v1/scripts/{id}."""

from tests.base import AccountTestCase
from tests.factories import make_script

URL = "/api/v1/scripts"


class ReadTest(AccountTestCase):
    def test_a_script_shows_its_content_as_it_is(self):
        script = make_script(self.account, "Say hi", content="#!/bin/sh\r\necho hi\r\n", variable_support=True)
        data = self.api.get(f"{URL}/{script.pk}").json()["data"]
        self.assertEqual((data["type"], data["id"]), ("script", script.pk))
        attributes = data["attributes"]
        self.assertEqual(attributes["content"], "#!/bin/sh\r\necho hi\r\n")
        self.assertEqual((attributes["name"], attributes["variable_support"]), ("Say hi", True))
        self.assertRegex(attributes["created_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(sorted(attributes), ["content", "created_at", "name", "updated_at", "variable_support"])

    def test_lists_have_pages_and_a_constant_number_of_statements(self):
        scripts = [make_script(self.account) for _ in range(5)]
        make_script(self.other_account)
        self.api.get(URL)  # notes when the key was last used
        for limit in (1, 4):
            with self.assertNumQueries(2):  # the key, the page
                answer = self.api.get(URL, {"limit": limit}).json()
            self.assertEqual([row["id"] for row in answer["data"]], [one.pk for one in scripts[:limit]])
            self.assertTrue(answer["has_more"])

    def test_a_stranger_gets_404(self):
        script = make_script(self.account)
        self.assertEqual(self.outsider_api.get(f"{URL}/{script.pk}").status_code, 404)
        self.assertEqual(self.outsider_api.get(URL).json()["data"], [])
