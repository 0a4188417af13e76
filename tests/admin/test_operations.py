"""Operations: changes that concern many devices, watched and held back."""

from datetime import timedelta
from unittest import mock
from uuid import uuid4

from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from apps_catalog.admin import operation_page
from apps_catalog.admin import operations as operations_page
from devices.models import BulkOperation, Device, OperationDevice, OperationOrder, OperationState, StepState
from devices.services.bulk import start
from devices.services.bulk_orders import move_to, send_command
from devices.services.bulk_steps import work_on_operations
from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Role
from mdm.commands.models import Command
from mdm.commands.states import FINAL, State
from mdm.protocol.request_types.power import restart_device
from tests.admin.base import AdminTestCase
from tests.factories import make_command, make_device, make_group, make_operation


class OperationTestCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        left = tuple(make_device(self.account) for _ in range(4))
        self.operation = make_operation(self.account, title="Assign Wi-Fi to Sales", left=left, commands=6)
        self.page = self.url(BulkOperation, "change", self.operation.pk)
        self.cancel_url = self.url(BulkOperation, "cancel", self.operation.pk)
        self.resume_url = self.url(BulkOperation, "resume", self.operation.pk)

    def set_state(self, state: OperationState) -> None:
        BulkOperation.objects.filter(pk=self.operation.pk).update(state=state)

    def state(self) -> str:
        return BulkOperation.objects.get(pk=self.operation.pk).state


class OperationListTest(OperationTestCase):
    def list(self, query: str = "") -> HttpResponse:
        return self.people[Role.READ_ONLY].get(self.url(BulkOperation, "changelist") + query)

    def test_each_has_its_progress_in_a_bar_and_in_words(self) -> None:
        response = self.list()
        self.assertContains(response, "Assign Wi-Fi to Sales")
        self.assertContains(response, '<progress max="100" value="60" aria-label="Devices reached">60 %</progress>')
        self.assertContains(response, "6 of 10 devices")
        self.assertContains(response, "ann@example.com")

    def test_the_filter_tells_the_states_apart(self) -> None:
        held = make_operation(self.account, state=OperationState.CANCELLED)
        done = make_operation(self.account, state=OperationState.DONE)
        for state, expected in (("running", self.operation), ("cancelled", held), ("done", done)):
            self.assertEqual(list(self.list(f"?state={state}").context["cl"].result_list), [expected], state)

    def test_an_empty_list_says_what_operations_are(self) -> None:
        BulkOperation.objects.all().delete()
        self.assertContains(self.list(), "No operation yet")

    def test_the_number_of_statements_does_not_grow(self) -> None:
        self.statements()  # what is kept after the first page
        few = self.statements()
        for _ in range(40):
            make_operation(self.account, left=(make_device(self.account),))
        self.assertEqual(self.statements(), few)
        self.assertLessEqual(few, 12)

    def statements(self) -> int:
        with CaptureQueriesContext(connection) as captured:
            self.assertEqual(self.list().status_code, 200)
        return len(captured)


class OperationPageTest(OperationTestCase):
    def test_it_is_shown_and_watched_while_it_runs(self) -> None:
        response = self.people[Role.READ_ONLY].get(self.page)
        for words in ("6 of 10 devices", "Not reached yet", "ann@example.com", "every 2s"):
            self.assertContains(response, words)
        self.assertNotContains(response, "Resume")

    def test_what_it_watches_changes_as_devices_are_reached(self) -> None:
        url = self.url(BulkOperation, "live", self.operation.pk)
        client = self.people[Role.READ_ONLY]
        mark = client.get(url).context["mark"]
        self.assertContains(client.get(self.page), f"mark={mark}")
        self.assertEqual(client.get(url, {"mark": mark}).status_code, 204)
        self.operation.due_devices.first().delete()
        response = client.get(url, {"mark": mark})
        self.assertContains(response, "7 of 10 devices")
        self.assertNotIn("HX-Refresh", response)
        self.set_state(OperationState.DONE)
        self.assertEqual(client.get(url, {"mark": mark})["HX-Refresh"], "true")
        self.assertNotContains(client.get(self.page), "every 2s")

    def test_an_operator_holds_it_back_and_lets_it_go_on(self) -> None:
        client = self.people[Role.OPERATOR]
        response = client.post(self.cancel_url, follow=True)
        self.assertEqual(self.state(), OperationState.CANCELLED)
        for words in ("It is held back: 4 devices not reached", "Resume", "What is assigned has not been undone"):
            self.assertContains(response, words)
        response = client.post(self.resume_url, follow=True)
        self.assertEqual(self.state(), OperationState.RUNNING)
        self.assertContains(response, "It goes on where it was held back.")
        events = self.events("operation.cancelled") + self.events("operation.resumed")
        self.assertEqual([event.actor_label for event in events], ["operator@acme.example"] * 2)

    def test_what_cannot_be_done_any_more_is_said(self) -> None:
        client = self.people[Role.OPERATOR]
        self.set_state(OperationState.DONE)
        self.assertContains(client.post(self.cancel_url, follow=True), "It is not running any more.")
        self.assertContains(client.post(self.resume_url, follow=True), "Only a cancelled operation can be resumed.")
        self.assertEqual(self.state(), OperationState.DONE)

    def test_readers_look_on_and_strangers_see_nothing(self) -> None:
        response = self.people[Role.READ_ONLY].get(self.page)
        self.assertNotContains(response, self.cancel_url)
        for url in (self.cancel_url, self.resume_url):
            self.assertEqual(self.people[Role.READ_ONLY].post(url).status_code, 403)
            self.assertEqual(self.outside.post(url).status_code, 404)
            self.assertEqual(self.people[Role.OWNER].get(url).status_code, 405)
        for url in (self.page, self.url(BulkOperation, "live", self.operation.pk)):
            self.assertEqual(self.outside.get(url).status_code, 404)
        self.assertEqual(self.state(), OperationState.RUNNING)

    def test_names_are_escaped(self) -> None:
        name = "<script>alert(1)</script>"
        BulkOperation.objects.update(title=name, actor_label=name)
        for url in (self.page, self.url(BulkOperation, "changelist"), reverse("admin:index")):
            response = self.people[Role.OWNER].get(url)
            self.assertNotContains(response, name)
            self.assertContains(response, "&lt;script&gt;")


class StepsPageTest(AdminTestCase):
    """Of an operation that is done with each device once: its devices, and what became of each."""

    def setUp(self) -> None:
        super().setUp()
        self.devices = [make_device(self.account, name=f"Phone {n}") for n in range(4)]
        self.awaited = make_device(self.account, name="Not yet here", enrolled=False)
        devices = Device.objects.for_account(self.account).exclude(name__startswith="Device")
        wanted = send_command(restart_device())
        self.operation = start(devices, wanted, account_id=self.account.pk, actor=SYSTEM)
        work_on_operations()
        self.page = self.url(BulkOperation, "change", self.operation.pk)
        self.live = self.url(BulkOperation, "live", self.operation.pk)
        self.repeat_url = self.url(BulkOperation, "repeat", self.operation.pk)
        self.client = self.people[Role.ADMIN]

    def end(self, device: Device, state: str, **values: object) -> None:
        commands = Command.objects.filter(channel__device=device)
        commands.update(state=state, finished_at=timezone.now() if state in FINAL else None, **values)

    def end_all(self) -> None:
        first, second, third, fourth = self.devices
        self.end(first, State.ACKNOWLEDGED)
        error = {"ErrorDomain": "MCMDMErrorDomain", "ErrorCode": 12011, "USEnglishDescription": "The device is locked."}
        self.end(second, State.FAILED, error_chain=[error])
        self.end(third, State.QUEUED, not_now_at=timezone.now())
        self.end(fourth, State.EXPIRED)

    def test_every_outcome_is_counted_and_said_in_words(self) -> None:
        self.end_all()
        response = self.people[Role.READ_ONLY].get(self.page)
        for outcome, number in (
            ("done", 1),
            ("failed", 1),
            ("not_now", 1),
            ("taken_back", 1),
            ("refused", 1),
            ("waiting", 0),
        ):
            self.assertContains(response, f'data-outcome="{outcome}" data-number="{number}"')
        for words in (
            "4 of 5 devices are done with",
            "The device is locked. (MCMDMErrorDomain 12011)",
            "The device is busy or locked; it takes the command up again by itself.",
            "It ran out before the device connected.",
            "The device is not enrolled.",
            'role="progressbar"',
            'aria-valuenow="80"',
        ):
            self.assertContains(response, words)
        self.assertContains(response, self.url(Command, "change", Command.objects.first().pk))

    def test_one_that_did_not_go_well_does_not_look_as_if(self) -> None:
        self.end_all()
        self.assertContains(self.client.get(self.page), "Sent, waiting for answers")
        self.end(self.devices[2], State.ACKNOWLEDGED)
        self.assertContains(self.client.get(self.page), "Finished, 1 failed")

    def test_each_number_leads_to_its_devices(self) -> None:
        self.end_all()
        response = self.client.get(self.page, {"outcome": "failed"})
        self.assertEqual([row.device for row in response.context["rows"]], [self.devices[1]])
        response = self.client.get(self.page, {"outcome": "refused"})
        self.assertEqual([row.device for row in response.context["rows"]], [self.awaited])
        self.assertContains(self.client.get(self.page, {"outcome": "waiting"}), "No device is in this state.")
        self.assertEqual(len(self.client.get(self.page, {"outcome": "nonsense", "after": "x"}).context["rows"]), 5)

    def test_a_device_is_found_by_name(self) -> None:
        response = self.client.get(self.page, {"q": "phone 2"})
        self.assertEqual([row.device for row in response.context["rows"]], [self.devices[2]])
        self.assertContains(self.client.get(self.page, {"q": "nobody"}), "No device of this operation is called that")

    def test_many_devices_stand_on_several_pages(self) -> None:
        with mock.patch.object(operation_page, "PAGE", 2):
            response = self.client.get(self.page)
            names = [row.device.name for row in response.context["rows"]]
            while following := response.context["next_page"]:
                response = self.client.get(self.page + following)
                names += [row.device.name for row in response.context["rows"]]
        self.assertEqual(names, ["Phone 0", "Phone 1", "Phone 2", "Phone 3", "Not yet here"])
        self.assertContains(response, "First page")

    def test_it_follows_until_the_last_device_has_answered(self) -> None:
        mark = self.client.get(self.page).context["mark"]
        self.assertEqual(self.client.get(self.live, {"mark": mark}).status_code, 204)
        self.end(self.devices[0], State.ACKNOWLEDGED)
        response = self.client.get(self.live, {"mark": mark})
        self.assertContains(response, 'data-outcome="done" data-number="1"')
        self.assertContains(response, "every 2s")
        for device in self.devices:
            self.end(device, State.ACKNOWLEDGED)
        response = self.client.get(self.live, {"mark": mark})
        self.assertEqual(response["HX-Refresh"], "true")
        self.assertNotContains(self.client.get(self.page), "every 2s")

    def test_after_the_last_device_was_reached_it_says_that_answers_are_awaited(self) -> None:
        self.assertContains(self.client.get(self.page), "Sent, waiting for answers")
        self.assertNotContains(self.client.get(self.page), "Repeat for")

    def test_a_held_one_says_what_stays(self) -> None:
        OperationDevice.objects.filter(device=self.devices[0]).update(state=StepState.WAITING, command=None)
        BulkOperation.objects.update(state=OperationState.CANCELLED)
        response = self.client.get(self.page)
        self.assertContains(response, "It is held back: 1 device not reached.")
        self.assertContains(response, "Resume")

    def test_what_failed_is_repeated_with_the_number_typed(self) -> None:
        self.end_all()
        self.assertContains(self.client.get(self.page), "Repeat for the 2 that failed")
        response = self.client.get(self.repeat_url)
        self.assertContains(response, "Restart once more, on the 2 devices where it failed or was taken back.")
        self.assertEqual(self.repeat(confirmation="5").status_code, 422)
        response = self.repeat()
        new = BulkOperation.objects.latest("pk")
        self.assertRedirects(response, self.url(BulkOperation, "change", new.pk))
        self.assertEqual((new.title, new.actor_label), ("Restart: 2 devices", "admin@acme.example"))

    def repeat(self, **data: object) -> HttpResponse:
        """As the form posts it, with everything that stood in its hidden fields."""
        given = {"confirmation": "2", "seen": "2", "order": str(uuid4())}
        return self.client.post(self.repeat_url, given | data)

    def test_it_is_repeated_for_as_many_as_were_agreed_to(self) -> None:
        self.end_all()
        self.assertEqual(dict(self.client.get(self.repeat_url).context["hidden"])["seen"], "2")
        self.end(self.devices[0], State.FAILED)
        for data in ({}, {"confirmation": "3"}, {"seen": ""}):
            response = self.repeat(**data)
            self.assertRedirects(response, self.repeat_url, fetch_redirect_response=False)
            self.assertContains(self.client.get(self.repeat_url), "By now it would be 3 devices. Nothing was done.")
        self.assertEqual(BulkOperation.objects.count(), 1)

    def test_a_repetition_that_is_sent_twice_is_one(self) -> None:
        self.end_all()
        order = dict(self.client.get(self.repeat_url).context["hidden"])["order"]
        addresses = {self.repeat(order=order).url for _ in range(2)}
        with mock.patch.object(operations_page, "started_before", return_value=""):
            addresses.add(self.repeat(order=order).url)
        self.assertEqual((len(addresses), BulkOperation.objects.count()), (1, 2))
        self.assertContains(self.client.get(self.page), "This was started already.")
        self.repeat(order="")
        self.assertEqual(BulkOperation.objects.count(), 2)

    def test_where_its_secrets_were_deleted_it_is_too_late_to_repeat_it(self) -> None:
        self.end_all()
        OperationOrder.objects.update(forgotten_at=timezone.now() - timedelta(days=1))
        for response in (self.client.get(self.repeat_url), self.repeat()):
            self.assertContains(response, "It is too late to repeat it: what was sent is no longer kept.")
        self.assertEqual(BulkOperation.objects.count(), 1)

    def test_what_destroys_goes_on_for_those_who_may_start_it(self) -> None:
        resume_url = self.url(BulkOperation, "resume", self.operation.pk)
        self.end_all()
        BulkOperation.objects.update(state=OperationState.CANCELLED)
        page = self.people[Role.OPERATOR].get(self.page)
        self.assertNotContains(page, resume_url)
        self.assertNotContains(page, self.repeat_url)
        self.assertEqual(self.people[Role.OPERATOR].post(resume_url).status_code, 403)
        self.assertEqual(BulkOperation.objects.get().state, OperationState.CANCELLED)
        self.assertContains(self.client.get(self.page), resume_url)
        self.client.post(resume_url)
        self.assertEqual(BulkOperation.objects.get().state, OperationState.RUNNING)

    def test_what_destroys_nothing_goes_on_for_operators(self) -> None:
        resume_url = self.url(BulkOperation, "resume", self.operation.pk)
        BulkOperation.objects.update(state=OperationState.CANCELLED)
        OperationOrder.objects.update(request_type="SecurityInfo")
        self.assertContains(self.people[Role.OPERATOR].get(self.page), resume_url)
        self.people[Role.OPERATOR].post(resume_url)
        self.assertEqual(BulkOperation.objects.get().state, OperationState.RUNNING)

    def test_repeating_is_for_those_who_may_do_it_the_first_time(self) -> None:
        self.end_all()
        for role in (Role.OPERATOR, Role.READ_ONLY):
            self.assertEqual(self.people[role].get(self.repeat_url).status_code, 403)
            self.assertEqual(self.people[role].post(self.repeat_url, {"confirmation": "2"}).status_code, 403)
        self.assertEqual(self.outside.post(self.repeat_url).status_code, 404)
        self.assertEqual(BulkOperation.objects.count(), 1)

    def test_where_nothing_failed_there_is_nothing_to_repeat(self) -> None:
        self.assertContains(self.client.post(self.repeat_url), "It has failed on no device.")
        reconciled = make_operation(self.account)
        response = self.client.get(self.url(BulkOperation, "repeat", reconciled.pk))
        self.assertContains(response, "What failed is tried again by itself.")

    def test_changes_without_commands_have_no_commands_to_show(self) -> None:
        group = make_group(self.account, "Sales")
        devices = Device.objects.filter(pk__in=[device.pk for device in self.devices])
        operation = start(devices, move_to(group), account_id=self.account.pk, actor=SYSTEM)
        work_on_operations()
        response = self.client.get(self.url(BulkOperation, "change", operation.pk))
        self.assertContains(response, 'data-outcome="done" data-number="4"')
        self.assertNotContains(response, 'data-outcome="failed"')
        self.assertNotContains(response, "Not now")

    def test_the_list_shows_both_kinds(self) -> None:
        make_operation(self.account, title="Assign Wi-Fi to Sales")
        response = self.client.get(self.url(BulkOperation, "changelist"))
        for words in ("Restart: 5 devices", "5 of 5 devices", "Assign Wi-Fi to Sales"):
            self.assertContains(response, words)

    def test_the_number_of_statements_does_not_grow(self) -> None:
        self.statements()  # what is kept after the first page
        few = self.statements()
        for _ in range(30):
            device = make_device(self.account)
            command = make_command(device, "RestartDevice")
            OperationDevice.objects.create(
                account=self.account, operation=self.operation, device=device, state=StepState.DONE, command=command
            )
        self.assertEqual(self.statements(), few)
        self.assertLessEqual(few, 10)

    def statements(self) -> int:
        with CaptureQueriesContext(connection) as captured:
            self.assertEqual(self.client.get(self.page).status_code, 200)
        return len(captured)


class OperationsAtHomeTest(OperationTestCase):
    def titles(self) -> list[str]:
        response = self.people[Role.READ_ONLY].get(reverse("admin:index"))
        return [alert.title for alert in response.context["alerts"]]

    def test_running_and_held_ones_stand_on_the_home_page(self) -> None:
        make_operation(self.other_account, title="Of somebody else")
        response = self.people[Role.READ_ONLY].get(reverse("admin:index"))
        self.assertContains(response, "6 of 10 devices reached")
        self.assertContains(response, self.page)
        self.assertNotContains(response, "Of somebody else")
        self.set_state(OperationState.CANCELLED)
        self.assertIn("Held back: Assign Wi-Fi to Sales", self.titles())
        self.set_state(OperationState.DONE)
        self.assertEqual([title for title in self.titles() if "Wi-Fi" in title], [])

    def test_only_the_newest_three(self) -> None:
        for _ in range(5):
            make_operation(self.account, title="Assign something")
        self.assertEqual([title for title in self.titles() if "Assign" in title], ["Assign something"] * 3)
