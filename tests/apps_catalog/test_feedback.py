"""What apps tell their management: fetched when the device says that there is some, bounded, and kept as it was last."""

from apps_catalog.models import AppInstall
from apps_catalog.results.feedback import MAX_BYTES, TOO_LARGE
from devices.services.sending import send
from mdm.accounts.actors import SYSTEM
from mdm.commands.models import Command
from mdm.events.models import Event
from mdm.protocol.request_types.managed_apps import managed_application_list
from tests.apps_catalog.base import ReconcileTestCase
from tests.factories import make_device
from tests.factories.apps import make_app_install
from tests.factories.wanted import make_store_app


class FeedbackTest(ReconcileTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.app = make_store_app(self.account)
        self.row = make_app_install(self.app, self.device, is_on_device=True)

    def list_apps(self, **facts: object) -> None:
        command = send(self.device, managed_application_list(), actor=SYSTEM)
        facts = {"Status": "Managed", **facts}
        self.acknowledge(command, ManagedApplicationList={self.app.bundle_identifier: facts})

    def asked(self) -> Command:
        return Command.objects.filter(request_type="ManagedApplicationFeedback").latest("pk")

    def answer(self, *said: object) -> AppInstall:
        self.list_apps(HasFeedback=True)
        items = [{"Identifier": self.app.bundle_identifier, "Feedback": one} for one in said]
        self.acknowledge(self.asked(), ManagedApplicationFeedback=items)
        self.row.refresh_from_db()
        return self.row

    def lines(self) -> list[Event]:
        return list(Event.objects.filter(event_type="app.feedback"))

    def test_it_is_asked_for_once_where_there_is_some(self):
        self.list_apps()
        self.list_apps(HasFeedback="yes")
        self.assertFalse(Command.objects.filter(request_type="ManagedApplicationFeedback").exists())
        self.list_apps(HasFeedback=True)
        self.list_apps(HasFeedback=True)
        self.assertEqual(self.asked().asked["Identifiers"], [self.app.bundle_identifier])
        self.assertEqual(Command.objects.filter(request_type="ManagedApplicationFeedback").count(), 1)

    def test_what_was_said_last_is_kept_and_the_log_does_not_repeat_it(self):
        self.assertEqual(self.answer({"token": "hunter2"}).feedback, {"token": "hunter2"})
        self.answer({"token": "hunter2"})
        (line,) = self.lines()
        self.assertEqual(
            line.metadata,
            {"app_id": self.app.pk, "name": self.app.name, "bundle_identifier": self.app.bundle_identifier},
        )
        self.assertEqual(self.answer({"count": 2}).feedback, {"count": 2})
        self.assertEqual(len(self.lines()), 2)

    def test_a_device_that_repeats_itself_fills_no_log(self):
        row = self.answer(*({"count": number} for number in range(300)))
        self.assertEqual(row.feedback, {"count": 299})
        self.assertEqual(len(self.lines()), 1)

    def test_more_than_is_kept_is_replaced_by_a_word_about_it(self):
        said = {f"key{number}": "x" * 4000 for number in range(MAX_BYTES // 4000 + 1)}
        self.assertEqual(self.answer(said).feedback, TOO_LARGE)

    def test_what_is_no_dictionary_and_what_is_about_other_apps_changes_nothing(self):
        self.assertEqual(self.answer("text").feedback, {})
        self.list_apps(HasFeedback=True)
        for items in ([{"Identifier": "com.example.other", "Feedback": {"a": 1}}], [{"Feedback": {}}], ["x"], "x"):
            self.acknowledge(self.asked(), ManagedApplicationFeedback=items)
        self.row.refresh_from_db()
        self.assertEqual(self.row.feedback, {})
