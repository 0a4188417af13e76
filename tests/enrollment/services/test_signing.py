from devices.services.profile_content import delivered
from enrollment.services.ca import authority_of, open_authority
from enrollment.services.signing import signed_if_wanted
from mdm.commands.models import Command
from mdm.common.certs import Encoding
from mdm.endpoints.renderers import complete
from mdm.protocol import mobileconfig, plist
from mdm.protocol.cms import open_signed
from tests.base import AccountTestCase
from tests.factories import make_command, make_device, make_mobileconfig, make_payload, make_profile, make_signed


class SignedDeliveryTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account, serial_number="C02X")

    def sign(self, signs: bool = True) -> None:
        self.account.signs_profiles = signs
        self.account.save()

    def command(self, content: bytes, **fields: object) -> Command:
        profile = make_profile(self.account, identifier="a.b", content=content, **fields)
        recipe = {"Recipe": "profile", "profile": profile.pk, "version": 1}
        return make_command(self.device, "InstallProfile", parameters=recipe)

    def payload(self, command: Command) -> bytes:
        """What stands in the command as the device gets it."""
        return plist.loads(complete(command))["Command"]["Payload"]

    def test_the_content_is_the_unsigned_rendering(self):
        content = make_mobileconfig("a.b", make_payload(Here="{{serial_number}}"))
        command = self.command(content, attribute_support=True)
        unsigned = self.payload(command)
        self.assertIn(b"C02X", unsigned)
        self.sign()
        signed = self.payload(command)
        self.assertTrue(mobileconfig.is_signed(signed))
        inner, signer = open_signed(signed)
        self.assertEqual(inner, unsigned)
        self.assertEqual(inner, delivered(command.parameters["profile"], 1, self.device))
        ours = open_authority(authority_of(self.account)).certificate
        self.assertEqual(signer.certificate_der, ours.public_bytes(Encoding.DER))

    def test_a_signed_profile_reads_as_a_profile(self):
        self.sign()
        found = mobileconfig.read(self.payload(self.command(make_mobileconfig("a.b"))))
        self.assertEqual((found.identifier, found.is_signed), ("a.b", True))

    def test_a_binary_profile_and_its_line_ends_come_through(self):
        self.sign()
        for content in (make_mobileconfig("a.b", is_binary=True), make_mobileconfig("a.b").replace(b"\n", b"\r\n")):
            self.assertEqual(open_signed(signed_if_wanted(content, self.account))[0], content)

    def test_what_was_uploaded_signed_stays_byte_for_byte(self):
        content = make_signed(make_mobileconfig("a.b"))
        self.sign()
        self.assertEqual(self.payload(self.command(content)), content)

    def test_an_account_that_does_not_sign_delivers_what_was_uploaded(self):
        content = make_mobileconfig("a.b")
        self.assertEqual(self.payload(self.command(content)), content)

    def test_other_commands_are_not_touched(self):
        self.sign()
        command = make_command(self.device, "DeviceInformation", parameters={"Queries": ["UDID"]})
        self.assertEqual(plist.loads(complete(command))["Command"]["RequestType"], "DeviceInformation")
