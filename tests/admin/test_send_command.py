"""From the catalogue by a form to a queued command."""

import base64
import json

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.urls import reverse

from devices.models import Device
from mdm.accounts.models import Role
from mdm.commands.models import Command
from mdm.protocol.request_types import REQUEST_TYPES
from tests.admin.base import AdminTestCase
from tests.factories import make_channel, make_device


class SendCommandTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.mac = make_device(self.account, platform="macOS", name="Lab Mac")
        self.phone = make_device(self.account, platform="iOS", name="Phone")

    def compose_url(self, device: Device, request_type: str, query: str = "") -> str:
        return reverse("admin:devices_device_compose", args=[device.pk, request_type]) + query

    def send(self, device: Device, request_type: str, data: dict | None = None, *, query: str = "") -> HttpResponse:
        """As an administrator, with the typed confirmation."""
        url = self.compose_url(device, request_type, query)
        return self.people[Role.ADMIN].post(url, {"confirmation": str(device)} | (data or {}))

    def assert_sent(self, response: HttpResponse, request_type: str) -> Command:
        errors = response.context["form"].errors if response.context else ""
        self.assertEqual(response.status_code, 302, errors)
        command = Command.objects.get()
        self.assertEqual(command.request_type, request_type)
        self.assertEqual(response["Location"], self.url(Command, "change", command.pk))
        return command

    # --- the catalogue ------------------------------------------------------------------------------------------------
    def test_an_administrator_sees_every_request_type(self) -> None:
        response = self.people[Role.ADMIN].get(self.url(Device, "send", self.mac.pk))
        offers = [offer for offers in response.context["families"].values() for offer in offers]
        self.assertEqual(len(offers), len(REQUEST_TYPES))

    def test_what_the_device_lacks_says_why_and_is_no_link(self) -> None:
        response = self.people[Role.ADMIN].get(self.url(Device, "send", self.mac.pk))
        self.assertContains(response, "Not available on macOS.")
        self.assertNotContains(response, self.compose_url(self.mac, "EnableLostMode"))
        self.assertContains(response, self.compose_url(self.mac, "RestartDevice"))

    def test_an_operator_neither_sees_nor_sends_what_destroys(self) -> None:
        client = self.people[Role.OPERATOR]
        response = client.get(self.url(Device, "send", self.mac.pk))
        for name, request_type in REQUEST_TYPES.items():
            url = self.compose_url(self.mac, name)
            if request_type.destructive:
                self.assertNotContains(response, f'href="{url}"')
                self.assertEqual(client.get(url).status_code, 403, name)
                self.assertEqual(client.post(url, {"confirmation": "Lab Mac"}).status_code, 403, name)
        self.assertFalse(Command.objects.exists())

    def test_a_read_only_person_sends_nothing(self) -> None:
        url = self.compose_url(self.mac, "SecurityInfo")
        self.assertEqual(self.people[Role.READ_ONLY].post(url).status_code, 403)
        self.assertFalse(Command.objects.exists())

    def test_an_unknown_request_type_is_not_found(self) -> None:
        self.assertEqual(self.people[Role.OWNER].get(self.compose_url(self.mac, "NoSuchThing")).status_code, 404)

    def test_every_form_of_the_catalogue_opens_on_every_platform(self) -> None:
        devices = [
            self.mac,
            self.phone,
            make_device(self.account, platform="tvOS"),
            make_device(self.account, platform=""),
        ]
        for device in devices:
            for name in REQUEST_TYPES:
                response = self.people[Role.OWNER].get(self.compose_url(device, name))
                self.assertEqual(response.status_code, 200, f"{name} {device.platform}")

    def test_every_setting_has_its_own_form(self) -> None:
        alternatives = REQUEST_TYPES["Settings"].parameters[0].alternatives
        self.assertGreater(len(alternatives), 10)
        for item in alternatives:
            response = self.people[Role.OWNER].get(self.compose_url(self.phone, "Settings", f"?item={item}"))
            self.assertIn("form", response.context, item)

    # --- forms --------------------------------------------------------------------------------------------------------
    def test_a_command_without_details_is_sent_by_one_button(self) -> None:
        command = self.assert_sent(self.send(self.mac, "SecurityInfo"), "SecurityInfo")
        self.assertEqual(command.channel.device, self.mac)
        self.assertEqual((command.source, command.actor_label), ("admin ui", "admin@acme.example"))

    def test_a_destructive_command_asks_for_the_devices_name(self) -> None:
        response = self.send(self.phone, "DeviceLock", {"confirmation": "phone?"})
        self.assertEqual(response.status_code, 422)
        self.assertContains(response, "That is not the device’s name".replace("’", "&#x27;"), status_code=422)
        self.assertFalse(Command.objects.exists())
        self.assert_sent(self.send(self.phone, "DeviceLock", {"Message": "Hello"}), "DeviceLock")
        self.assertEqual(Command.objects.get().parameters, {"Message": "Hello"})

    def test_a_secret_is_a_password_field_and_is_never_shown_again(self) -> None:
        response = self.send(self.mac, "DeviceLock", {"PIN": "12345", "Message": "Hello"})
        self.assertContains(response, "six digits", status_code=422)
        self.assertContains(response, 'type="password" name="PIN"', status_code=422)
        self.assertNotContains(response, "12345", status_code=422)
        command = self.assert_sent(self.send(self.mac, "DeviceLock", {"PIN": "123456"}), "DeviceLock")
        self.assertEqual(command.secrets, {"/PIN": "123456"})
        self.assertNotContains(self.people[Role.OWNER].get(self.url(Command, "change", command.pk)), "123456")

    def test_parameters_of_other_platforms_are_not_asked_for(self) -> None:
        self.assertNotIn(
            "PIN", self.people[Role.OWNER].get(self.compose_url(self.phone, "EraseDevice")).context["form"].fields
        )
        self.assertIn(
            "PIN", self.people[Role.OWNER].get(self.compose_url(self.mac, "EraseDevice")).context["form"].fields
        )

    def test_nested_parameters_become_nested_dictionaries(self) -> None:
        profile = SimpleUploadedFile("wifi.mobileconfig", b"<plist/>")
        data = {
            "PreserveDataPlan": "true",
            "ReturnToService.Enabled": "true",
            "ReturnToService.WiFiProfileData_file": profile,
        }
        command = self.assert_sent(self.send(self.phone, "EraseDevice", data), "EraseDevice")
        sent = json.dumps([command.parameters, command.secrets])
        self.assertIn('"PreserveDataPlan": true', sent)
        self.assertEqual(command.parameters["ReturnToService"]["Enabled"], True)
        self.assertIn(base64.b64encode(b"<plist/>").decode(), sent)

    def test_what_is_left_out_is_not_sent(self) -> None:
        self.assert_sent(self.send(self.phone, "EraseDevice"), "EraseDevice")
        self.assertEqual(Command.objects.get().parameters, {})

    def test_a_profile_is_pasted_or_uploaded(self) -> None:
        for data in (
            {"Payload_text": "<plist>one</plist>"},
            {"Payload_text": base64.b64encode(b"<plist>one</plist>").decode()},
            {"Payload_file": SimpleUploadedFile("a.mobileconfig", b"<plist>one</plist>")},
        ):
            command = self.assert_sent(self.send(self.mac, "InstallProfile", data), "InstallProfile")
            self.assertEqual(command.secrets, {"/Payload": base64.b64encode(b"<plist>one</plist>").decode()})
            command.delete()

    def test_a_bad_or_missing_profile_is_refused_at_its_field(self) -> None:
        for data in ({}, {"Payload_text": "neither!"}, {"Payload_file": SimpleUploadedFile("a", b"x" * 800_000)}):
            response = self.send(self.mac, "InstallProfile", data)
            self.assertIn("Payload", response.context["form"].errors)
        self.assertFalse(Command.objects.exists())

    def test_queries_are_chosen_or_all_are_asked(self) -> None:
        command = self.assert_sent(
            self.send(self.mac, "DeviceInformation", {"Queries": ["UDID", "OSVersion"]}), "DeviceInformation"
        )
        self.assertEqual(command.parameters["Queries"], ["UDID", "OSVersion"])
        command.delete()
        command = self.assert_sent(self.send(self.mac, "DeviceInformation"), "DeviceInformation")
        self.assertGreater(len(command.parameters["Queries"]), 10)

    def test_a_setting_is_sent_as_one_item(self) -> None:
        response = self.send(self.mac, "Settings", {"Settings.DeviceName": "New name"}, query="?item=DeviceName")
        command = self.assert_sent(response, "Settings")
        self.assertEqual(command.parameters, {"Settings": [{"Item": "DeviceName", "DeviceName": "New name"}]})

    def test_a_switch_sends_yes_or_no(self) -> None:
        for word, value in (("true", True), ("false", False)):
            command = self.assert_sent(
                self.send(self.mac, "Settings", {"Settings.Enabled": word}, query="?item=Bluetooth"), "Settings"
            )
            self.assertEqual(command.parameters["Settings"][0]["Enabled"], value)
            command.delete()

    def test_lists_are_typed_one_on_each_line(self) -> None:
        data = {"Identifiers": "com.example.one\n\n com.example.two "}
        command = self.assert_sent(self.send(self.mac, "InstalledApplicationList", data), "InstalledApplicationList")
        self.assertEqual(command.parameters["Identifiers"], ["com.example.one", "com.example.two"])

    def test_json_that_is_none_is_refused(self) -> None:
        name, path = self.json_parameter()
        response = self.send(self.phone, name, {path: "{not json"})
        self.assertIn(path, response.context["form"].errors)
        self.assertFalse(Command.objects.exists())

    def test_a_required_detail_must_be_given(self) -> None:
        response = self.send(self.mac, "RemoveProfile")
        self.assertIn("Identifier", response.context["form"].errors)
        self.assertFalse(Command.objects.exists())

    def test_taking_a_password_away_sends_an_empty_one(self) -> None:
        command = self.assert_sent(
            self.send(self.mac, "SetRecoveryLock", {"CurrentPassword": "old"}), "SetRecoveryLock"
        )
        self.assertEqual(command.secrets, {"/NewPassword": "", "/CurrentPassword": "old"})

    def test_the_unlock_token_of_the_device_is_filled_in(self) -> None:
        channel = self.phone.device_channel
        channel.unlock_token = b"token"
        channel.save()
        command = self.assert_sent(self.send(self.phone, "ClearPasscode"), "ClearPasscode")
        self.assertEqual(command.secrets, {"/UnlockToken": base64.b64encode(b"token").decode()})

    def test_a_command_goes_to_the_chosen_user(self) -> None:
        user = make_channel(self.mac, user_key="KEY", user_short_name="ann", fingerprint="")
        command = self.assert_sent(self.send(self.mac, "ProfileList", {"to_user": "KEY"}), "ProfileList")
        self.assertEqual(command.channel, user)

    def test_another_devices_user_cannot_be_chosen(self) -> None:
        make_channel(self.mac, user_key="KEY", user_short_name="ann", fingerprint="")
        other = make_device(self.other_account, platform="macOS")
        make_channel(other, user_key="THEIRS", fingerprint="")
        response = self.send(self.mac, "ProfileList", {"to_user": "THEIRS"})
        self.assertIn("to_user", response.context["form"].errors)

    def test_a_command_for_users_only_is_offered_when_there_is_one(self) -> None:
        url = self.compose_url(self.mac, "ActiveNSExtensions")
        self.assertNotContains(self.people[Role.OWNER].get(self.url(Device, "send", self.mac.pk)), url)
        make_channel(self.mac, user_key="KEY", user_short_name="ann", fingerprint="")
        self.assertContains(self.people[Role.OWNER].get(self.url(Device, "send", self.mac.pk)), url)
        self.assert_sent(self.send(self.mac, "ActiveNSExtensions", {"to_user": "KEY"}), "ActiveNSExtensions")

    # --- refusals of the services -------------------------------------------------------------------------------------
    def test_what_the_device_cannot_obey_is_said_on_the_form(self) -> None:
        self.phone.is_supervised = False
        self.phone.save()
        response = self.send(self.phone, "EnableLostMode", {"Message": "x", "Footnote": "y"})
        self.assertEqual(response.status_code, 422)
        self.assertContains(response, "needs a supervised device", status_code=422)
        self.assertFalse(Command.objects.exists())

    def test_what_is_lacking_is_named_as_the_form_names_it(self) -> None:
        response = self.send(self.phone, "EnableLostMode", {"Footnote": "y"})
        self.assertContains(response, "Fill in at least one of these: Message, Phone number.", status_code=422)
        self.assertNotContains(response, "EnableLostMode needs", status_code=422)

    def test_a_device_that_is_not_enrolled_gets_nothing(self) -> None:
        awaited = make_device(self.account, enrolled=False, name="Awaited")
        self.assertContains(self.people[Role.OWNER].get(self.url(Device, "send", awaited.pk)), "is not enrolled")
        response = self.send(awaited, "SecurityInfo")
        self.assertContains(response, "not enrolled", status_code=422)

    def test_a_fault_found_by_the_catalogue_stands_at_its_field(self) -> None:
        response = self.send(self.mac, "DeviceLock", {"PIN": "abcdef"})
        self.assertIn("PIN", response.context["form"].errors)

    def json_parameter(self) -> tuple[str, str]:
        for name, request_type in REQUEST_TYPES.items():
            for parameter in request_type.parameters:
                item = parameter.item
                if parameter.is_free or parameter.type == "any" or (item is not None and item.type == "dictionary"):
                    support = request_type.support("iOS")
                    if support is not None and parameter.support("iOS", support).is_available:
                        return name, parameter.key
        raise AssertionError("the catalogue has no parameter that is given as JSON")
