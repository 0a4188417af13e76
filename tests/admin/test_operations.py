"""Operations: changes that concern many devices, watched and held back."""

from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from devices.models import BulkOperation, OperationState
from mdm.accounts.models import Role
from tests.admin.base import AdminTestCase
from tests.factories import make_device, make_operation


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
        for words in ("6 of 10 devices", "Not reached yet", "ann@example.com", "data-watch"):
            self.assertContains(response, words)
        self.assertNotContains(response, "Resume")

    def test_what_it_watches_changes_as_devices_are_reached(self) -> None:
        url = self.url(BulkOperation, "state", self.operation.pk)
        client = self.people[Role.READ_ONLY]
        first = client.get(url).json()
        self.assertContains(client.get(self.page), f'data-mark="{first["mark"]}"')
        self.assertEqual(client.get(url).json(), first)
        self.operation.due_devices.first().delete()
        self.assertNotEqual(client.get(url).json()["mark"], first["mark"])
        self.set_state(OperationState.DONE)
        self.assertTrue(client.get(url).json()["is_over"])
        self.assertNotContains(client.get(self.page), "data-watch")

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
        for url in (self.page, self.url(BulkOperation, "state", self.operation.pk)):
            self.assertEqual(self.outside.get(url).status_code, 404)
        self.assertEqual(self.state(), OperationState.RUNNING)

    def test_names_are_escaped(self) -> None:
        name = "<script>alert(1)</script>"
        BulkOperation.objects.update(title=name, actor_label=name)
        for url in (self.page, self.url(BulkOperation, "changelist"), reverse("admin:index")):
            response = self.people[Role.OWNER].get(url)
            self.assertNotContains(response, name)
            self.assertContains(response, "&lt;script&gt;")


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
