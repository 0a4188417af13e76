from devices.services.profile_content import delivered
from devices.services.profile_previews import (
    MASK,
    Form,
    VariableSource,
    preview,
    unfilled_variables,
    unknown_in,
    unknown_variables,
    warnings_of,
)
from devices.services.profiles import create_profile
from mdm.accounts.actors import SYSTEM
from mdm.protocol import plist
from tests.base import AccountTestCase
from tests.factories import (
    make_assignment_group,
    make_attribute,
    make_attribute_value,
    make_channel,
    make_device,
    make_mobileconfig,
    make_payload,
    make_profile,
    make_signed,
)

TEXT = "{{serial_number}}|{{Room}}|{{$floor}}|{{building}}|{{pin}}|{{nowhere}}"


class PreviewTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account, serial_number="C02X")

    def profile(self, text: str = TEXT, **fields):
        content = make_mobileconfig("a.b", make_payload(Here=text))
        options = {"identifier": "a.b", "attribute_support": True, "escape_attributes": True, **fields}
        return make_profile(self.account, content=content, **options)

    def attributes(self) -> None:
        make_attribute_value(self.device, make_attribute(self.account, "room"), "R&D")
        make_attribute_value(
            make_assignment_group(self.account, members=[self.device]), make_attribute(self.account, "floor"), "4"
        )
        make_attribute(self.account, "building", default="Main")
        make_attribute_value(self.device, make_attribute(self.account, "pin", secret=True), "hunter2")

    def here(self, text: str) -> str:
        return plist.loads(text.encode())["PayloadContent"][0]["Here"]

    def test_every_variable_with_its_value_and_where_it_comes_from(self):
        self.attributes()
        shown = preview(self.profile(), self.device)
        found = {one.name: (one.value, one.source) for one in shown.variables}
        self.assertEqual(
            found,
            {
                "serial_number": ("C02X", VariableSource.BUILT_IN),
                "room": ("R&D", VariableSource.DEVICE),
                "floor": ("4", VariableSource.GROUP),
                "building": ("Main", VariableSource.ACCOUNT),
                "pin": (MASK, VariableSource.DEVICE),
                "nowhere": ("", VariableSource.UNKNOWN),
            },
        )
        self.assertEqual((shown.unknown, shown.masks_something, shown.shown_secrets), (["nowhere"], True, ()))
        self.assertEqual(self.here(shown.content), f"C02X|R&D|4|Main|{MASK}|{{{{nowhere}}}}")
        self.assertNotIn("hunter2", repr(shown))

    def test_with_secrets_it_is_exactly_what_is_delivered(self):
        self.attributes()
        profile = self.profile()
        shown = preview(profile, self.device, shows_secrets=True)
        self.assertEqual(shown.content.encode(), delivered(profile.pk, 1, self.device))
        self.assertEqual((shown.shown_secrets, shown.masks_something), (("pin",), False))
        self.assertIn("hunter2", shown.content)

    def test_a_secret_without_a_value_hides_nothing(self):
        make_attribute(self.account, "pin", secret=True)
        for shows_secrets in (False, True):
            shown = preview(self.profile("{{pin}}"), self.device, shows_secrets=shows_secrets)
            self.assertEqual((self.here(shown.content), shown.shown_secrets), ("", ()))
            self.assertFalse(shown.masks_something)

    def test_an_attribute_wins_over_a_fact_of_its_name(self):
        make_attribute(self.account, "model", default="Ours")
        shown = preview(self.profile("{{model}}"), self.device)
        self.assertEqual((shown.variables[0].value, shown.variables[0].source), ("Ours", VariableSource.ACCOUNT))

    def test_names_of_the_user_are_those_of_the_channel(self):
        mac = make_device(self.account, platform="macOS")
        make_attribute(self.account, "user_short_name", default="somebody")
        robin, sam = (make_channel(mac, user_key=name.upper(), user_short_name=name) for name in ("robin", "sam"))
        profile = self.profile("{{user_short_name}}")
        for user in (robin, sam):
            shown = preview(profile, mac, user)
            self.assertEqual(self.here(shown.content), user.user_short_name)
            self.assertEqual(shown.variables[0].source, VariableSource.BUILT_IN)
            self.assertEqual(shown.content.encode(), delivered(profile.pk, 1, mac, user.user_key))

    def test_without_attribute_support_nothing_is_filled_in(self):
        shown = preview(self.profile("{{serial_number}}", attribute_support=False), self.device)
        self.assertEqual((self.here(shown.content), shown.variables), ("{{serial_number}}", ()))
        self.assertEqual(shown.left_alone, ("serial_number",))

    def test_why_it_cannot_be_delivered(self):
        make_attribute(self.account, "pin", default="</string>", secret=True)
        shown = preview(self.profile("{{pin}}", escape_attributes=False), self.device)
        self.assertIn("With this device's values filled in, the profile is not valid", shown.why_not)
        self.assertIn(MASK, shown.content)
        self.assertEqual(preview(self.profile("{{pin}}"), self.device).why_not, "")

    def test_what_would_be_too_long_is_shown_as_it_was_uploaded(self):
        make_attribute(self.account, "long", default="x" * 60_000)
        shown = preview(self.profile("{{long}}" * 300), self.device)
        self.assertIn("longer than", shown.why_not)
        self.assertIn("{{long}}{{long}}", shown.content)

    def test_why_it_is_not_for_the_device(self):
        content = make_mobileconfig("c.d", make_payload("com.apple.dock"))
        profile = create_profile(self.account, "Dock", content, actor=SYSTEM)
        self.assertEqual(preview(profile, self.device).why_not, "Nothing in this profile is for iPhone and iPad.")
        self.assertEqual(preview(profile, make_device(self.account, platform="macOS")).why_not, "")

    def test_signed_and_binary_ones_are_decoded_and_never_filled_in(self):
        plain = make_mobileconfig("a.b", make_payload(Here="{{serial_number}}"))
        binary = make_mobileconfig("a.b", make_payload(Here="{{serial_number}}"), is_binary=True)
        for content, form in (
            (make_signed(plain), Form.SIGNED),
            (make_signed(binary), Form.SIGNED),
            (binary, Form.BINARY),
            (plain, Form.XML),
        ):
            profile = make_profile(self.account, identifier="a.b", content=content)
            shown = preview(profile, self.device)
            self.assertEqual((shown.form, self.here(shown.content)), (form, "{{serial_number}}"))
            self.assertTrue(shown.content.startswith("<?xml"))
        self.assertEqual(preview(profile, self.device).content, plain.decode())


class UnknownVariablesTest(AccountTestCase):
    def test_neither_built_in_nor_an_attribute_of_the_account(self):
        make_attribute(self.account, "Room")
        make_attribute(self.other_account, "floor")
        content = make_mobileconfig("a.b", make_payload(Here="{{ROOM}} {{udid}} {{floor}} {{attic}}"))
        profile = make_profile(self.account, content=content, attribute_support=True)
        self.assertEqual(unknown_variables(profile), ["attic", "floor"])
        self.assertEqual(unknown_in(content, self.account.pk), ["attic", "floor"])
        self.assertEqual(unfilled_variables(profile), [])

    def test_a_profile_that_is_not_filled_in_has_none(self):
        content = make_mobileconfig("a.b", make_payload(Here="{{attic}}"))
        profile = make_profile(self.account, content=content)
        self.assertEqual((unknown_variables(profile), unfilled_variables(profile)), ([], ["attic"]))

    def test_signed_and_binary_ones_have_none(self):
        content = make_mobileconfig("a.b", make_payload(Here="{{attic}}"))
        for form in (make_signed(content), make_mobileconfig("a.b", make_payload(Here="{{attic}}"), is_binary=True)):
            self.assertEqual(unknown_in(form, self.account.pk), [])

    def test_the_warnings_of_the_upload_can_be_read_again(self):
        content = make_mobileconfig("a.b", make_payload("com.example.app"))
        profile = create_profile(self.account, "App", content, actor=SYSTEM)
        self.assertIn("com.example.app", warnings_of(profile.versions.get())[0])
