from devices.models import AttributeValue, CustomAttribute
from devices.services.profile_content import NotDeliverable, delivered
from devices.services.profiles import change_profile, delete_profile
from mdm.accounts.actors import SYSTEM
from mdm.protocol import plist
from tests.base import AccountTestCase
from tests.factories import make_channel, make_device, make_mobileconfig, make_payload, make_profile, make_signed


class DeliveredTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account, platform="macOS", serial_number="C02X")
        self.content = make_mobileconfig("a.b", make_payload(Here="{{serial_number}}: {{motto}}"))

    def profile(self, content: bytes, **fields):
        options = {"identifier": "a.b", "attribute_support": True, **fields}
        return make_profile(self.account, content=content, **options)

    def attribute(self, value: str, name: str = "motto") -> None:
        attribute = CustomAttribute.objects.create(account=self.account, name=name)
        AttributeValue.objects.create(account=self.account, attribute=attribute, device=self.device, plain=value)

    def here(self, profile, **options) -> str:
        return plist.loads(delivered(profile.pk, 1, self.device, **options))["PayloadContent"][0]["Here"]

    def test_without_attribute_support_it_is_what_was_uploaded(self):
        profile = self.profile(self.content, attribute_support=False)
        self.assertEqual(delivered(profile.pk, 1, self.device), self.content)

    def test_variables_are_filled_in_for_the_device(self):
        self.attribute("Be good")
        self.assertEqual(self.here(self.profile(self.content)), "C02X: Be good")

    def test_the_user_is_the_one_of_the_channel(self):
        profile = self.profile(make_mobileconfig("a.b", make_payload(Here="{{user_short_name}}")))
        for name in ("robin", "sam"):
            make_channel(self.device, user_key=f"KEY-{name}", user_short_name=name)
        self.assertEqual(self.here(profile, user_key="KEY-robin"), "robin")

    def test_signed_and_binary_profiles_are_delivered_as_they_are(self):
        for content in (
            make_signed(self.content),
            make_mobileconfig("a.b", make_payload(A="{{udid}}"), is_binary=True),
        ):
            profile = self.profile(content)
            self.assertEqual(delivered(profile.pk, 1, self.device), content)

    def test_values_are_escaped_where_the_profile_asks_for_it(self):
        self.attribute("R&D <b>")
        self.assertEqual(self.here(self.profile(self.content, escape_attributes=True)), "C02X: R&D <b>")

    def test_values_may_be_xml_otherwise(self):
        self.attribute("<true/>")
        profile = self.profile(self.content.replace(b"<string>{{serial_number}}: {{motto}}</string>", b"{{motto}}"))
        self.assertIs(self.here(profile), True)

    def test_values_that_break_the_profile_are_named(self):
        self.attribute("R&D")
        profile = self.profile(self.content)
        with self.assertRaisesMessage(NotDeliverable, "not well-formed XML: there is a fault in line"):
            delivered(profile.pk, 1, self.device)

    def test_a_number_without_a_value_is_named(self):
        text = b"<string>{{serial_number}}: {{motto}}</string>"
        profile = self.profile(self.content.replace(text, b"<integer>{{unheard_of}}</integer>"))
        with self.assertRaisesMessage(NotDeliverable, "invalid <integer>"):
            delivered(profile.pk, 1, self.device)

    def test_values_cannot_make_it_an_enrollment(self):
        keys = {"PayloadType": "com.apple.mdm", "PayloadIdentifier": "x", "PayloadUUID": "x"}
        payload = "".join(f"<key>{key}</key><string>{value}</string>" for key, value in keys.items())
        self.attribute(f"</string>{payload}</dict><dict><key>Here</key><string>")
        profile = self.profile(self.content)
        with self.assertRaisesMessage(NotDeliverable, "enrollment"):
            delivered(profile.pk, 1, self.device)

    def test_values_cannot_make_it_another_profile(self):
        self.attribute("x</string><key>PayloadIdentifier</key><string>c.d</string><!--")
        self.attribute("--><key>PayloadType</key><string>Configuration</string><key>PayloadUUID</key><string>x", "end")
        profile = self.profile(make_mobileconfig("a.b", PayloadDisplayName="{{motto}}", PayloadUUID="{{end}}"))
        with self.assertRaisesMessage(NotDeliverable, "another PayloadIdentifier"):
            delivered(profile.pk, 1, self.device)

    def test_endless_values_are_refused(self):
        self.attribute("x" * 60_000)
        profile = self.profile(make_mobileconfig("a.b", make_payload(Here="{{motto}}" * 1000)))
        with self.assertRaisesMessage(NotDeliverable, "longer than"):
            delivered(profile.pk, 1, self.device)

    def test_an_older_version_is_delivered_as_it_was(self):
        profile = self.profile(self.content, attribute_support=False)
        newer = make_mobileconfig("a.b")
        change_profile(profile, content=newer, actor=SYSTEM)
        self.assertEqual(delivered(profile.pk, 1, self.device), self.content)
        self.assertEqual(delivered(profile.pk, 2, self.device), newer)

    def test_what_is_gone_or_belongs_to_another_account_is_not_delivered(self):
        profile = self.profile(self.content)
        foreign = make_profile(self.other_account)
        for pk, version in ((profile.pk, 2), (profile.pk + 10**6, 1), (foreign.pk, 1)):
            with self.assertRaisesMessage(NotDeliverable, "was deleted"):
                delivered(pk, version, self.device)
        delete_profile(profile, actor=SYSTEM)
        with self.assertRaisesMessage(NotDeliverable, "was deleted"):
            delivered(profile.pk, 1, self.device)
