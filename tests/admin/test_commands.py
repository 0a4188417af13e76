"""The pages of commands."""

from django.utils import timezone

from devices.models import Device
from mdm.accounts.models import Role
from mdm.commands.models import Command
from tests.admin.base import ANSWER, AdminTestCase
from tests.factories import make_command, make_device

CHAIN = [
    {"ErrorCode": 12021, "ErrorDomain": "MCMDMErrorDomain", "USEnglishDescription": "The device is <b>locked</b>."},
    {"ErrorCode": 5, "ErrorDomain": "Inner", "LocalizedDescription": "Warum auch immer."},
    "not a dictionary",
]


class CommandListTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account, serial_number="C02ABC")
        self.list_url = self.url(Command, "changelist")
        self.client = self.people[Role.READ_ONLY]

    def shown(self, query: str) -> list[Command]:
        response = self.client.get(f"{self.list_url}{query}")
        self.assertEqual(response.status_code, 200, query)
        return list(response.context["cl"].result_list)

    def test_an_account_without_commands_is_told_how_to_send_one(self) -> None:
        self.assertContains(self.client.get(self.list_url), "No command yet")

    def test_filters_and_search(self) -> None:
        waiting = make_command(self.device, "SecurityInfo")
        failed = make_command(self.device, "DeviceLock", state="failed")
        elsewhere = make_command(make_device(self.account), "DeviceLock", state="failed")
        for query, expected in (
            ("?state=queued", [waiting]),
            ("?request_type=DeviceLock", [elsewhere, failed]),
            (f"?device={self.device.pk}", [failed, waiting]),
            (f"?device={self.device.pk}&state=failed", [failed]),
            ("?q=c02abc", [failed, waiting]),
            (f"?q={elsewhere.command_uuid}", [elsewhere]),
            ("?device=nonsense", []),
            ("?device=²", []),
        ):
            self.assertEqual(self.shown(query), expected, query)

    def test_a_postponed_command_is_called_not_now(self) -> None:
        make_command(self.device, "SecurityInfo", state="sent", status="NotNow")
        self.assertContains(self.client.get(self.list_url), "Not now")


class CommandPageTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account, name="Lab Mac")

    def page(self, command: Command, role: Role = Role.READ_ONLY) -> object:
        return self.people[role].get(self.url(Command, "change", command.pk))

    def test_the_error_chain_is_readable_and_escaped(self) -> None:
        command = make_command(self.device, "RestartDevice", state="failed", status="Error", error_chain=CHAIN)
        response = self.page(command)
        self.assertContains(response, "The device is &lt;b&gt;locked&lt;/b&gt;.")
        self.assertContains(response, "MCMDMErrorDomain 12021")
        self.assertContains(response, "Warum auch immer.")

    def test_a_waiting_command_is_watched_and_a_finished_one_is_not(self) -> None:
        command = make_command(self.device, "SecurityInfo")
        self.assertContains(self.page(command), "data-live")
        state_url = self.url(Command, "state", command.pk)
        before = self.people[Role.READ_ONLY].get(state_url).json()
        self.assertFalse(before["is_over"])
        Command.objects.update(state="acknowledged", status="Acknowledged", finished_at=timezone.now())
        after = self.people[Role.READ_ONLY].get(state_url).json()
        self.assertTrue(after["is_over"])
        self.assertNotEqual(before["mark"], after["mark"])
        self.assertNotContains(self.page(command), "data-live")

    def test_the_page_gets_its_news_in_place(self) -> None:
        command = make_command(self.device, "SecurityInfo")
        url = self.page(command).context["watch_url"]
        client = self.people[Role.READ_ONLY]
        self.assertEqual(client.get(url, headers={"HX-Request": "true"}).status_code, 204)
        Command.objects.update(state="acknowledged", status="Acknowledged", finished_at=timezone.now())
        answered = client.get(url, headers={"HX-Request": "true"})
        self.assertContains(answered, "The device has done it.")
        self.assertNotContains(answered, "<html")
        self.assertNotContains(answered, "data-live")

    def test_secrets_are_not_shown(self) -> None:
        command = make_command(self.device, "DeviceLock", parameters={"Message": "Hello"}, secrets={"/PIN": "123456"})
        self.assertContains(self.page(command, Role.OWNER), "Hello")
        self.assertNotContains(self.page(command, Role.OWNER), "123456")

    def test_a_raw_command_and_an_unknown_type_have_a_page(self) -> None:
        command = make_command(self.device, "SomethingNew", raw_plist=b"<plist/>")
        self.assertContains(self.page(command), "SomethingNew")

    def test_a_command_of_a_removed_device_has_no_link_to_it(self) -> None:
        command = make_command(self.device, "DeviceLock", state="cancelled")
        self.device.removed_at = timezone.now()
        self.device.save()
        response = self.page(command)
        self.assertContains(response, "(removed)")
        self.assertNotContains(response, self.url(Device, "change", self.device.pk))

    def test_a_queued_command_is_taken_back(self) -> None:
        command = make_command(self.device, "DeviceLock")
        response = self.people[Role.OPERATOR].post(self.url(Command, "cancel", command.pk), follow=True)
        self.assertContains(response, "was taken back")
        command.refresh_from_db()
        self.assertEqual(command.state, "cancelled")
        self.assertEqual(self.events("command.cancelled")[0].actor_label, "operator@acme.example")

    def test_a_delivered_command_is_not_taken_back(self) -> None:
        command = make_command(self.device, "DeviceLock", state="sent")
        response = self.people[Role.OPERATOR].post(self.url(Command, "cancel", command.pk), follow=True)
        self.assertContains(response, "Too late")
        command.refresh_from_db()
        self.assertEqual(command.state, "sent")

    def test_an_answer_is_shown_to_operators(self) -> None:
        command = make_command(self.device, "DeviceInformation", result=ANSWER, apply_state="applied")
        url = self.url(Command, "answer", command.pk)
        self.assertContains(self.people[Role.OPERATOR].get(url), "Acknowledged")
        self.assertEqual(self.people[Role.READ_ONLY].get(url).status_code, 403)
        self.assertNotContains(self.page(command), url)
        self.assertContains(self.page(command, Role.OPERATOR), url)

    def test_an_answer_that_may_hold_secrets_is_for_administrators_and_is_noted(self) -> None:
        for request_type in ("SecurityInfo", "SomethingNew"):
            command = make_command(self.device, request_type, result=ANSWER, apply_state="applied")
            url = self.url(Command, "answer", command.pk)
            self.assertEqual(self.people[Role.OPERATOR].get(url).status_code, 403)
            self.assertFalse(self.events("secret.viewed"))
            self.assertEqual(self.people[Role.ADMIN].get(url).status_code, 200)
            event = self.events("secret.viewed")[0]
            self.assertEqual((event.device, event.actor_label), (self.device, "admin@acme.example"))
            event.delete()

    def test_an_answer_that_is_no_plist_is_shown_as_text_and_escaped(self) -> None:
        command = make_command(self.device, "DeviceInformation", result=b"<script>\xff", apply_state="failed")
        response = self.people[Role.OPERATOR].get(self.url(Command, "answer", command.pk))
        self.assertContains(response, "&lt;script&gt;")

    def test_without_an_answer_there_is_no_page_for_it(self) -> None:
        command = make_command(self.device, "DeviceInformation")
        self.assertEqual(self.people[Role.OWNER].get(self.url(Command, "answer", command.pk)).status_code, 404)

    def test_pages_with_answers_and_commands_are_not_kept_by_browsers(self) -> None:
        command = make_command(self.device, "DeviceInformation", result=ANSWER, apply_state="applied")
        for url in (self.url(Command, "answer", command.pk), self.url(Command, "change", command.pk)):
            self.assertIn("no-store", self.people[Role.OWNER].get(url)["Cache-Control"])
