"""Doing something with many devices: from what the list sends, over the question, to the operation."""

from unittest import mock
from urllib.parse import urlencode
from uuid import uuid4

from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.http import HttpResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from devices.admin import bulk as bulk_page
from devices.admin.bulk_catalogue import OFFERS, offers
from devices.models import AssignmentMember, AttributeValue, BulkOperation, Device, OperationDevice, ScriptJob
from devices.services.bulk_steps import work_on_operations
from mdm.accounts.models import Role
from mdm.commands.models import Command
from tests.admin.base import AdminTestCase
from tests.factories import (
    make_assignment_group,
    make_attribute,
    make_attribute_value,
    make_device,
    make_group,
    make_operation,
    make_script,
)


class BulkTestCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.page_url = self.url(Device, "bulk")
        self.devices = [make_device(self.account, name=f"Phone {n}") for n in range(3)]
        self.client = self.people[Role.ADMIN]

    def chosen(self) -> list[int]:
        return [device.pk for device in self.devices]

    def ask(self, action: str, role: str = Role.ADMIN, **data: object) -> HttpResponse:
        """As the list posts it."""
        return self.people[role].post(self.page_url, {"device": self.chosen(), "action": action, **data})

    def answer(self, action: str, role: str = Role.ADMIN, **data: object) -> HttpResponse:
        """As the form posts it, with everything that stood in its hidden fields."""
        hidden = {"devices": ",".join(map(str, self.chosen())), "action": action, "answered": "1", "seen": "3"}
        return self.people[role].post(self.page_url, hidden | {"order": str(uuid4())} | data)

    def assert_started(self, response: HttpResponse, title: str) -> BulkOperation:
        operation = BulkOperation.objects.latest("pk")
        self.assertRedirects(response, self.url(BulkOperation, "change", operation.pk))
        self.assertEqual((operation.title, operation.actor_label), (title, "admin@acme.example"))
        steps = OperationDevice.objects.filter(operation=operation)
        self.assertEqual(set(steps.values_list("device", flat=True)), set(self.chosen()))
        return operation


class ChoosingTest(BulkTestCase):
    def test_ticked_devices_are_asked_about_with_their_exact_number(self) -> None:
        response = self.ask("restart")
        self.assertContains(response, "Restart 3 devices. People who use them lose unsaved work.")
        for words in ("Phone 0", "Phone 1", "Phone 2", "iPhone and iPad", "Type 3 to confirm", "Restart: 3 devices"):
            self.assertContains(response, words)
        self.assertFalse(BulkOperation.objects.exists())

    def test_all_that_match_are_found_by_the_lists_address(self) -> None:
        make_device(self.account, name="Television", platform="tvOS")
        given = {"all": "1", "query": urlencode({"q": "Phone"}), "action": "refresh"}
        response = self.client.post(self.page_url, given)
        self.assertContains(response, "Ask 3 devices for everything")
        response = self.client.post(self.page_url, given | {"answered": "1", "seen": "3", "order": str(uuid4())})
        self.assert_started(response, "Refresh inventory: 3 devices")

    def test_a_single_device_is_said_in_the_singular(self) -> None:
        self.devices = self.devices[:1]
        self.assertContains(self.ask("restart"), "Restart 1 device. Whoever uses it loses unsaved work.")

    def test_of_many_some_are_named_and_the_rest_is_counted(self) -> None:
        self.devices += [make_device(self.account) for _ in range(10)]
        self.assertContains(self.ask("refresh"), "and 5 more")

    def test_who_is_not_enrolled_is_told_beforehand(self) -> None:
        self.devices.append(make_device(self.account, enrolled=False))
        self.assertContains(self.ask("restart"), "1 of them is not enrolled and can be sent nothing.")

    def test_without_a_device_there_is_a_way_to_the_list(self) -> None:
        for response in (self.client.get(self.page_url), self.client.post(self.page_url, {"action": "restart"})):
            self.assertContains(response, "No device is chosen")
            self.assertContains(response, reverse("admin:devices_device_changelist"))

    def test_without_an_action_all_are_offered(self) -> None:
        response = self.ask("")
        for offer in OFFERS:
            self.assertContains(response, f'value="{offer.key}"')
        response = self.ask("", role=Role.OPERATOR)
        self.assertContains(response, 'value="refresh"')
        self.assertNotContains(response, 'value="wipe"')

    def test_devices_of_another_account_are_no_devices(self) -> None:
        theirs = make_device(self.other_account)
        response = self.client.post(self.page_url, {"device": theirs.pk, "action": "restart"})
        self.assertContains(response, "No device is chosen")
        response = self.client.post(
            self.page_url, {"devices": f"{theirs.pk},{self.devices[0].pk}", "action": "restart"}
        )
        self.assertContains(response, "Restart 1 device.")

    def test_more_than_can_be_ticked_is_refused_in_words(self) -> None:
        pks = ",".join(map(str, range(1, 1002)))
        response = self.client.post(self.page_url, {"devices": pks, "action": "restart"}, follow=True)
        self.assertContains(response, "At most 1,000 devices can be ticked.")

    def test_filters_that_are_too_long_are_refused_and_not_cut(self) -> None:
        group = make_group(self.account, "Sales")
        for length, is_taken in ((3900, True), (4100, False)):
            query = f"nothing={'x' * length}&group={group.pk}"
            response = self.client.post(self.page_url, {"all": "1", "query": query, "action": "refresh"}, follow=True)
            with self.subTest(length=length):
                words = "No device is chosen" if is_taken else "The filters of the list are too long"
                self.assertContains(response, words)

    def test_a_thousand_ticked_devices_are_read(self) -> None:
        response = self.client.post(self.page_url, {"device": list(range(1, 1001)), "action": "refresh"})
        self.assertEqual(response.status_code, 200)

    def test_nonsense_is_no_device(self) -> None:
        for text in ("x", "-1", "9" * 30, "1 OR 1=1", "\x00"):
            response = self.client.post(self.page_url, {"device": text, "action": "restart"})
            self.assertContains(response, "No device is chosen")

    def test_the_number_of_statements_does_not_grow_with_the_devices(self) -> None:
        self._statements()  # what is kept after the first page
        few = self._statements()
        self.devices += [make_device(self.account) for _ in range(40)]
        self.assertEqual(self._statements(), few)

    def _statements(self) -> int:
        with CaptureQueriesContext(connection) as captured:
            self.assertEqual(self.ask("restart").status_code, 200)
        return len(captured)


class ConfirmingTest(BulkTestCase):
    def test_what_destroys_wants_the_number_typed(self) -> None:
        for typed in ("", "2", "restart", "3.0"):
            response = self.answer("restart", confirmation=typed)
            self.assertEqual(response.status_code, 422, typed)
        self.assertContains(response, "That is not the number of devices. Nothing was done.", status_code=422)
        self.assertFalse(BulkOperation.objects.exists())
        self.assert_started(self.answer("restart", confirmation=" 3 "), "Restart: 3 devices")

    def test_a_set_that_changed_since_is_asked_about_again(self) -> None:
        given = {"all": "1", "query": "q=Phone", "action": "restart", "answered": "1", "seen": "3", "confirmation": "3"}
        make_device(self.account, name="Phone 4")
        response = self.client.post(self.page_url, given)
        self.assertContains(response, "it would be 4 devices now. Nothing was done; look again.", status_code=422)
        self.assertContains(response, "Type 4 to confirm", status_code=422)
        self.assertFalse(BulkOperation.objects.exists())

    def test_a_set_that_changes_in_the_very_moment_is_asked_about_with_its_new_number(self) -> None:
        given = {"all": "1", "query": "q=Phone", "action": "restart", "answered": "1", "order": str(uuid4())}
        make = bulk_page.start

        def start(*arguments: object, **options: object) -> BulkOperation:
            make_device(self.account, name="Phone 4")
            return make(*arguments, **options)

        with mock.patch.object(bulk_page, "start", start):
            response = self.client.post(self.page_url, given | {"seen": "3", "confirmation": "3"})
        for words in ("Restart 4 devices", "it would be 4 devices now", "Type 4 to confirm", 'name="seen" value="4"'):
            self.assertContains(response, words, status_code=422)
        self.assertFalse(BulkOperation.objects.exists())

    def test_what_destroys_is_for_those_who_may_and_the_server_refuses_the_others(self) -> None:
        for offer in OFFERS:
            for role in (Role.OPERATOR, Role.READ_ONLY):
                allowed = role == Role.OPERATOR and not offer.is_destructive
                asked = self.ask(offer.key, role=role)
                self.assertEqual(asked.status_code, 200 if allowed else 403, f"{role} {offer.key}")
                if not allowed:
                    self.assertEqual(self.answer(offer.key, role=role, confirmation="3").status_code, 403)
        self.assertFalse(BulkOperation.objects.exists())

    def test_the_catalogue_of_commands_has_only_what_the_person_may_send(self) -> None:
        response = self.ask("send_command", role=Role.OPERATOR)
        self.assertContains(response, 'value="SecurityInfo"')
        self.assertNotContains(response, 'value="EraseDevice"')
        for name in ("EraseDevice", "DeviceLock"):
            response = self.answer("send_command", role=Role.OPERATOR, request_type=name, confirmation="3")
            self.assertEqual(response.status_code, 403)
        self.assertFalse(BulkOperation.objects.exists())

    def test_offers_are_those_of_the_role(self) -> None:
        request = RequestFactory().get("/")
        request.user = AnonymousUser()
        request.get_role = lambda: Role.OPERATOR
        self.assertEqual([one.key for one in offers(request)], [one.key for one in OFFERS if not one.is_destructive])
        request.get_role = lambda: None
        self.assertEqual(offers(request), [])


class ActionsTest(BulkTestCase):
    def commands(self) -> list[Command]:
        work_on_operations()
        return list(Command.objects.filter(channel__device__in=self.devices).order_by("pk"))

    def test_the_inventory_is_asked_for(self) -> None:
        self.assert_started(self.answer("refresh"), "Refresh inventory: 3 devices")
        self.assertIn("DeviceInformation", {command.request_type for command in self.commands()})

    def test_devices_are_restarted(self) -> None:
        self.answer("restart", confirmation="3")
        self.assertEqual([one.request_type for one in self.commands()], ["RestartDevice"] * 3)

    def test_macs_can_ask_their_people_first(self) -> None:
        self.assertNotContains(self.ask("restart"), "Ask people on Macs first")
        self.devices = [make_device(self.account, platform="macOS") for _ in range(3)]
        self.assertContains(self.ask("restart"), "Ask people on Macs first")
        self.answer("restart", confirmation="3", notify_user="on")
        self.assertEqual([one.parameters for one in self.commands()], [{"NotifyUser": True}] * 3)

    def test_devices_are_locked_with_a_message(self) -> None:
        response = self.answer("lock", message="Call us", phone_number="555", confirmation="3")
        self.assert_started(response, "Lock: 3 devices")
        expected = {"Message": "Call us", "PhoneNumber": "555"}
        self.assertEqual([one.parameters for one in self.commands()], [expected] * 3)

    def test_macs_are_not_locked_without_a_pin(self) -> None:
        self.devices = [make_device(self.account, platform="macOS") for _ in range(3)]
        for pin in ("", "12345", "abcdef"):
            self.assertEqual(self.answer("lock", pin=pin, confirmation="3").status_code, 422, pin)
        response = self.answer("lock", pin="482915", confirmation="3")
        self.assert_started(response, "Lock: 3 devices")
        self.assertEqual([one.secrets for one in self.commands()], [{"/PIN": "482915"}] * 3)

    def test_a_pin_is_never_shown_again(self) -> None:
        self.devices = [make_device(self.account, platform="macOS") for _ in range(3)]
        self.assertNotContains(self.answer("lock", pin="482915", confirmation="2"), "482915", status_code=422)

    def test_lost_mode_needs_words_for_whoever_finds_the_device(self) -> None:
        response = self.answer("lost_mode_on", confirmation="3")
        self.assertContains(response, "Give a message or a phone number", status_code=422)
        self.answer("lost_mode_on", message="Please return", confirmation="3")
        self.answer("lost_mode_off")
        self.assertEqual(
            [one.request_type for one in self.commands()], ["EnableLostMode"] * 3 + ["DisableLostMode"] * 3
        )

    def test_passcodes_are_cleared_where_there_is_a_token(self) -> None:
        channel = self.devices[0].device_channel
        channel.unlock_token = b"token"
        channel.save(update_fields=["unlock_token"])
        self.answer("clear_passcode", confirmation="3")
        self.assertEqual([one.request_type for one in self.commands()], ["ClearPasscode"])

    def test_devices_are_wiped_and_switched_off(self) -> None:
        self.answer("shut_down", confirmation="3")
        self.answer("wipe", preserve_data_plan="on", confirmation="3")
        commands = self.commands()
        self.assertEqual([one.request_type for one in commands], ["ShutDownDevice"] * 3 + ["EraseDevice"] * 3)
        self.assertEqual(commands[-1].parameters, {"PreserveDataPlan": True})

    def test_devices_are_moved(self) -> None:
        sales = make_group(self.account, "Sales")
        foreign = make_group(self.other_account, "Foreign")
        self.assertEqual(self.answer("move", group=foreign.pk).status_code, 422)
        self.assert_started(self.answer("move", group=sales.pk), "Move to Sales: 3 devices")
        work_on_operations()
        self.assertEqual(set(sales.devices.all()), set(self.devices))

    def test_devices_join_an_assignment_group(self) -> None:
        self.assertContains(self.ask("join_group"), "There is no assignment group yet.")
        group = make_assignment_group(self.account, name="Wi-Fi")
        self.assert_started(self.answer("join_group", group=group.pk), "Add to Wi-Fi: 3 devices")
        work_on_operations()
        self.assertEqual(AssignmentMember.objects.filter(group=group).count(), 3)

    def test_a_value_is_set(self) -> None:
        self.assertContains(self.ask("set_attribute"), "There is no custom attribute yet.")
        attribute = make_attribute(self.account, "room")
        self.assert_started(self.answer("set_attribute", attribute=attribute.pk, value="12"), "Set room: 3 devices")
        work_on_operations()
        self.assertEqual({row.value for row in AttributeValue.objects.filter(attribute=attribute)}, {"12"})

    def test_values_are_taken_away_only_if_that_is_said(self) -> None:
        attribute = make_attribute(self.account, "room")
        make_attribute_value(self.devices[0], attribute, "12")
        for given in (
            {},
            {"attribute": attribute.pk},
            {"attribute": attribute.pk, "value": "3", "clears": "on"},
            {"value": "3"},
        ):
            self.assertEqual(self.answer("set_attribute", **given).status_code, 422, given)
        self.assertFalse(BulkOperation.objects.exists())
        response = self.answer("set_attribute", attribute=attribute.pk, clears="on")
        self.assert_started(response, "Clear room: 3 devices")
        work_on_operations()
        self.assertFalse(AttributeValue.objects.filter(attribute=attribute).exists())

    def test_no_group_is_chosen_for_anybody(self) -> None:
        make_assignment_group(self.account)
        for action in ("move", "join_group"):
            self.assertEqual(self.answer(action).status_code, 422, action)
        self.assertFalse(BulkOperation.objects.exists())

    def test_the_agent_is_sent_to_the_macs(self) -> None:
        self.assert_started(self.answer("send_agent"), "Send the script agent: 3 devices")

    def test_a_script_runs_on_the_macs_among_them_as_a_job(self) -> None:
        self.assertContains(self.ask("run_script"), "There is no script yet.")
        script = make_script(self.account)
        given = {"script": script.pk, "run_as": "root", "timeout_minutes": "5"}
        response = self.answer("run_script", **given)
        self.assertContains(response, "There is no enrolled Mac among these", status_code=422)
        mac = make_device(self.account, platform="macOS")
        self.devices[0] = mac
        response = self.answer("run_script", **given)
        job = ScriptJob.objects.get()
        self.assertRedirects(response, self.url(ScriptJob, "change", job.pk))
        self.assertEqual((job.runs.get().device_id, job.timeout_seconds), (mac.pk, 300))

    def test_a_script_runs_on_as_many_macs_as_were_shown(self) -> None:
        script = make_script(self.account)
        self.devices[:2] = [make_device(self.account, platform="macOS") for _ in range(2)]
        self.assertContains(self.ask("run_script"), "It runs on 2 enrolled Macs.")
        given = {"script": script.pk, "run_as": "root", "timeout_minutes": "5"}
        response = self.answer("run_script", **given, macs="1")
        self.assertContains(response, "Nothing was done; look again.", status_code=422)
        self.assertFalse(ScriptJob.objects.exists())
        self.answer("run_script", **given, macs="2")
        self.assertEqual(ScriptJob.objects.get().runs.count(), 2)


class SentTwiceTest(BulkTestCase):
    def order(self, response: HttpResponse) -> str:
        return dict(response.context["hidden"])["order"]

    def test_a_form_that_is_sent_twice_starts_one_operation_and_leads_to_it(self) -> None:
        order = self.order(self.ask("restart"))
        first, second = (self.answer("restart", confirmation="3", order=order) for _ in range(2))
        self.assert_started(first, "Restart: 3 devices")
        self.assert_started(second, "Restart: 3 devices")
        self.assertEqual(BulkOperation.objects.count(), 1)

    def test_it_leads_there_even_if_the_devices_are_others_by_now(self) -> None:
        order = self.order(self.ask("restart"))
        self.answer("restart", confirmation="3", order=order)
        Device.objects.all().delete()
        self.assertEqual(self.answer("restart", confirmation="3", order=order).status_code, 302)
        self.assertEqual(BulkOperation.objects.count(), 1)

    def test_two_at_the_same_moment_are_one(self) -> None:
        """Neither sees the other's row beforehand: the database decides."""
        order = str(uuid4())
        with mock.patch.object(bulk_page, "started_before", return_value=""):
            addresses = {self.answer("restart", confirmation="3", order=order).url for _ in range(2)}
        self.assertEqual((len(addresses), BulkOperation.objects.count()), (1, 1))

    def test_a_script_is_run_once(self) -> None:
        make_device(self.account, platform="macOS")
        self.devices = list(Device.objects.filter(platform="macOS"))
        given = {"script": make_script(self.account).pk, "run_as": "root", "timeout_minutes": "5", "seen": "1"}
        order = str(uuid4())
        with mock.patch.object(bulk_page, "started_before", return_value=""):
            addresses = {self.answer("run_script", **given, order=order).url for _ in range(2)}
        addresses.add(self.answer("run_script", **given, order=order).url)
        self.assertEqual((len(addresses), ScriptJob.objects.count()), (1, 1))

    def test_each_form_has_its_own_and_one_that_was_refused_keeps_it(self) -> None:
        order = self.order(self.ask("restart"))
        self.assertNotEqual(self.order(self.ask("restart")), order)
        self.assertEqual(self.order(self.answer("restart", confirmation="no", order=order)), order)

    def test_without_one_nothing_is_done(self) -> None:
        for order in ("", "nonsense"):
            response = self.answer("refresh", order=order)
            self.assertContains(response, "nothing was done. Please look once more", status_code=422)
        self.assertFalse(BulkOperation.objects.exists())

    def test_an_order_of_another_account_leads_nowhere(self) -> None:
        theirs = make_operation(self.other_account, order_token=uuid4())
        response = self.answer("refresh", order=str(theirs.order_token))
        self.assert_started(response, "Refresh inventory: 3 devices")


class AnyCommandTest(BulkTestCase):
    def test_a_command_is_chosen_and_sent_without_details(self) -> None:
        response = self.ask("send_command", request_type="SecurityInfo")
        self.assertContains(response, "Sent to 3 devices.")
        response = self.answer("send_command", request_type="SecurityInfo")
        self.assert_started(response, "Security information: 3 devices")

    def test_the_fields_are_those_of_the_platform(self) -> None:
        self.assertNotContains(self.ask("send_command", request_type="RestartDevice"), "NotifyUser")
        make_device(self.account, platform="macOS")
        self.devices = list(Device.objects.for_account(self.account))
        self.assertContains(self.ask("send_command", request_type="RestartDevice"), "NotifyUser")

    def test_one_of_several_settings_is_chosen_first(self) -> None:
        response = self.ask("send_command", request_type="Settings")
        self.assertContains(response, 'name="item" value="Bluetooth"')
        response = self.ask("send_command", request_type="Settings", item="Bluetooth")
        self.assertContains(response, "Settings.Enabled")
        data = {"request_type": "Settings", "item": "Bluetooth", "Settings.Enabled": "true"}
        self.assert_started(self.answer("send_command", **data), "Bluetooth: 3 devices")
        work_on_operations()
        command = Command.objects.filter(channel__device=self.devices[0]).get()
        self.assertEqual(command.parameters, {"Settings": [{"Item": "Bluetooth", "Enabled": True}]})

    def test_a_wrong_detail_is_said_at_its_place_and_nothing_is_sent(self) -> None:
        response = self.answer("send_command", request_type="EnableLostMode", confirmation="3")
        self.assertEqual(response.status_code, 422)
        self.assertContains(response, "needs one of Message, PhoneNumber", status_code=422)
        self.assertFalse(BulkOperation.objects.exists())

    def test_commands_for_one_device_only_and_unknown_ones_are_not_there(self) -> None:
        response = self.ask("send_command")
        self.assertNotContains(response, 'value="RotateFileVaultKey"')
        for name in ("RotateFileVaultKey", "NoSuchThing"):
            self.assertEqual(self.ask("send_command", request_type=name).status_code, 404)

    def test_what_no_device_of_them_has_is_not_offered(self) -> None:
        self.assertNotContains(self.ask("send_command"), 'value="EnableRemoteDesktop"')
        self.devices = [make_device(self.account, platform="macOS")]
        self.assertContains(self.ask("send_command"), 'value="EnableRemoteDesktop"')

    def test_passcodes_are_cleared_without_asking_for_a_token(self) -> None:
        self.assertNotContains(self.ask("send_command", request_type="ClearPasscode"), "UnlockToken")
        response = self.answer("send_command", request_type="ClearPasscode", confirmation="3")
        self.assert_started(response, "Clear passcode: 3 devices")
