"""The preview of a profile for one device."""

from django.http import HttpResponse

from devices.models import Profile
from devices.services.profiles import create_profile
from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Role
from tests.admin.base import AdminTestCase
from tests.factories import (
    make_attribute,
    make_attribute_value,
    make_channel,
    make_device,
    make_mobileconfig,
    make_payload,
    make_profile_assignment,
    make_signed,
)


class PreviewTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client_ = self.people[Role.OPERATOR]
        self.device = make_device(self.account, name="Reception", serial_number="C02X")

    def profile(self, text: str = "{{serial_number}} {{pin}} {{attic}}", **fields: object) -> Profile:
        options = {"attribute_support": True, "escape_attributes": True, "user_scope": False, **fields}
        content = options.pop("content", None) or make_mobileconfig("a.b", make_payload(Here=text))
        return create_profile(self.account, "Office", content, actor=SYSTEM, **options)

    def secret(self) -> None:
        make_attribute_value(self.device, make_attribute(self.account, "pin", secret=True), "hunter2")

    def address(self, profile: Profile, query: str = "") -> str:
        return f"{self.url(Profile, 'preview', profile.pk)}?device={self.device.pk}{query}"

    def test_it_begins_with_choosing_a_device(self) -> None:
        profile = self.profile()
        other = make_device(self.account, name="Somewhere else")
        make_device(self.other_account, name="Reception of others")
        url = self.url(Profile, "preview", profile.pk)
        self.assertContains(self.client_.get(url), "No device should have the profile yet.")
        make_profile_assignment(profile, other)
        self.assertEqual(self.client_.get(url).context["found"], [other])
        self.assertEqual(self.client_.get(url, {"q": "recep"}).context["found"], [self.device])
        self.assertContains(self.client_.get(url, {"q": "\x00nothing"}), "No device of the account matches.")

    def test_values_sources_and_what_is_unknown(self) -> None:
        self.secret()
        response = self.client_.get(self.address(self.profile()))
        for words in (
            "C02X ••••• {{attic}}",
            "Unknown variable: <code>{{attic}}</code>",
            "Built in",
            "set for the device",
        ):
            self.assertContains(response, words)
        self.assertNotContains(response, "hunter2")
        self.assertNotContains(response, "Show secret values")  # an operator may not
        self.assertFalse(self.events("secret.viewed"))

    def test_an_administrator_sees_secret_values_and_that_is_logged(self) -> None:
        self.secret()
        address = self.address(self.profile())
        client = self.people[Role.ADMIN]
        self.assertContains(client.get(address), "Show secret values")
        self.assertContains(client.post(address), "C02X hunter2 {{attic}}")
        event = self.events("secret.viewed")[0]
        self.assertEqual((event.device, event.user), (self.device, self.users[Role.ADMIN]))
        self.assertEqual(event.metadata["secrets"], {"custom attribute pin": str(self.device.pk)})

    def test_an_operator_who_asks_for_them_is_refused(self) -> None:
        self.secret()
        response = self.client_.post(self.address(self.profile()))
        self.assertEqual(response.status_code, 403)
        self.assertFalse(self.events("secret.viewed"))

    def test_why_a_device_does_not_get_it(self) -> None:
        profile = self.profile(content=make_mobileconfig("c.d", make_payload("com.apple.dock")))
        self.assertContains(self.client_.get(self.address(profile)), "Nothing in this profile is for iPhone and iPad.")

    def test_content_is_escaped(self) -> None:
        response = self.client_.get(self.address(self.profile("<script>alert(1)</script>")))
        self.assertNotContains(response, "<script>alert(1)")

    def test_signed_ones_are_shown_decoded_to_read_only(self) -> None:
        content = make_signed(make_mobileconfig("c.d", make_payload(Here="There")))
        response = self.client_.get(self.address(self.profile(content=content)))
        self.assertContains(response, "The file is signed")
        self.assertContains(response, "&lt;string&gt;There&lt;/string&gt;")

    def test_each_user_of_a_mac_in_turn(self) -> None:
        self.device = make_device(self.account, platform="macOS")
        profile = self.profile("{{user_short_name}}!", user_scope=True)
        self.assertContains(self.client_.get(self.address(profile)), "no user of this Mac can be managed yet")
        for name in ("robin", "sam"):
            make_channel(self.device, user_key=f"KEY-{name}", user_short_name=name)
        self.assertContains(self.client_.get(self.address(profile)), "&lt;string&gt;robin!&lt;")
        self.assertContains(self.client_.get(self.address(profile, "&user=KEY-sam")), "&lt;string&gt;sam!&lt;")

    def test_a_device_of_others_and_nonsense_are_404(self) -> None:
        profile = self.profile()
        url = self.url(Profile, "preview", profile.pk)
        for given in (make_device(self.other_account).pk, "x", ""):
            self.assertEqual(self.client_.get(url, {"device": given}).status_code, 404)
        self.assertEqual(self.outside.get(self.address(profile)).status_code, 404)

    def test_nothing_of_it_is_kept_by_browsers(self) -> None:
        response: HttpResponse = self.client_.get(self.address(self.profile()))
        self.assertIn("no-store", response["Cache-Control"])
