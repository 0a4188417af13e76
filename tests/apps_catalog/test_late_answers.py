"""An answer that is older than the order it seems to speak of, or that comes when something else is wanted already."""

from apps_catalog.models import App, AppAssignment
from apps_catalog.services import items
from apps_catalog.services.items import ItemKind
from apps_catalog.services.managed_configs import push
from devices.models import ItemState, ProfileAssignment, ProfileInstall
from mdm.accounts.actors import SYSTEM
from mdm.commands.models import Command
from mdm.commands.services import cancel, enqueue
from mdm.commands.states import State
from mdm.endpoints.tasks import apply_results
from mdm.protocol.request_types.lists import installed_application_list, profile_list
from mdm.protocol.request_types.managed_apps import managed_application_list
from tests.apps_catalog.base import OneAppTestCase, OneDeviceTestCase
from tests.factories import make_installed_app
from tests.factories.wanted import add_version, assign_profile, make_stored_profile


class LateProfileAnswersTest(OneDeviceTestCase):
    def setUp(self):
        super().setUp()
        self.profile = make_stored_profile(self.account)
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)

    def install(self) -> ProfileInstall:
        return ProfileInstall.objects.get(device=self.device, profile=self.profile)

    def unassign(self) -> None:
        ProfileAssignment.objects.all().delete()
        self.reconcile(self.device)

    def list_of(self, *identifiers: str) -> dict[str, object]:
        return {"ProfileList": [{"PayloadIdentifier": one, "PayloadUUID": "u"} for one in identifiers]}

    def test_a_list_does_not_make_an_update_installed_that_was_cancelled_before_it_was_sent(self):
        self.acknowledge(self.waiting("InstallProfile"))
        add_version(self.profile, 2)
        self.reconcile(self.device)
        cancel(self.waiting("InstallProfile"))
        question = enqueue(self.channel, profile_list())
        self.acknowledge(question, **self.list_of(self.profile.profile_identifier))
        self.assertEqual(self.install().installed_version, 1)
        self.reconcile_marked()
        self.assertEqual(self.waiting("InstallProfile").parameters["version"], 2)

    def test_a_removal_of_what_was_on_its_way_is_followed_to_its_end(self):
        self.hand_out(self.waiting("InstallProfile"))
        self.unassign()
        self.reconcile(self.device)
        self.acknowledge(self.waiting("InstallProfile"))
        self.refuse(self.waiting("RemoveProfile"), "Not now.")
        self.assertEqual(self.install().state, ItemState.REMOVING)

    def test_a_list_from_before_the_install_does_not_end_its_removal(self):
        question = enqueue(self.channel, profile_list())
        self.answer(question, **self.list_of())
        self.hand_out(self.waiting("InstallProfile"))
        self.unassign()
        self.assertEqual(self.install().state, ItemState.REMOVING)
        apply_results()
        self.waiting("RemoveProfile")
        self.assertEqual(self.install().state, ItemState.REMOVING)

    def test_a_list_from_before_the_install_was_answered_does_not_end_its_removal(self):
        question, command = enqueue(self.channel, profile_list()), self.waiting("InstallProfile")
        self.hand_out(command)
        self.unassign()
        self.answer(question, **self.list_of())
        self.answer(command)
        apply_results()
        self.waiting("RemoveProfile")
        self.assertEqual(self.install().state, ItemState.REMOVING)

    def test_a_list_after_the_install_ends_the_removal(self):
        command = self.waiting("InstallProfile")
        self.hand_out(command)
        self.unassign()
        self.answer(command)
        self.acknowledge(enqueue(self.channel, profile_list()), **self.list_of())
        self.assertFalse(ProfileInstall.objects.exists())
        self.assertFalse(Command.objects.filter(state=State.QUEUED).exists())

    def test_a_stopped_removal_does_not_stop_the_next_install(self):
        self.acknowledge(self.waiting("InstallProfile"))
        self.unassign()
        items.stop(self.device, ItemKind.PROFILE, self.profile.pk, SYSTEM)
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)
        self.refuse(self.waiting("InstallProfile"), "No.")
        self.assertEqual((self.install().is_stopped, self.install().attempts), (False, 1))
        self.assertIsNotNone(self.install().retry_at)


class LateAppAnswersTest(OneAppTestCase):
    def test_a_status_from_before_the_order_was_carried_out_is_no_failure_of_it(self):
        self.reconcile(self.device)
        question = enqueue(self.channel, managed_application_list())
        status = {self.app.bundle_identifier: {"Status": "UserRejected"}}
        self.answer(question, ManagedApplicationList=status)
        self.answer(self.waiting("InstallApplication"), State="Installing")
        apply_results()
        self.assertEqual(self.install().state, ItemState.PUSHED)

    def test_a_list_from_before_the_install_does_not_end_its_removal(self):
        self.reconcile(self.device)
        question = enqueue(self.channel, installed_application_list())
        self.answer(question, **self.list_of())
        self.hand_out(self.waiting("InstallApplication"))
        self.unassign()
        apply_results()
        self.waiting("RemoveApplication")
        self.assertEqual(self.install().state, ItemState.REMOVING)

    def test_an_app_that_the_newest_list_does_not_show_is_sent_although_an_older_one_showed_it(self):
        make_installed_app(self.device, self.app.bundle_identifier)
        self.answer(enqueue(self.channel, installed_application_list()), **self.list_of())
        self.reconcile(self.device)
        apply_results()
        self.reconcile_marked()
        self.assertEqual(self.waiting("InstallApplication").parameters["app"], self.app.pk)

    def test_an_app_that_was_refused_and_that_the_user_installed_is_not_ours(self):
        self.reconcile(self.device)
        self.refuse(self.waiting("InstallApplication"), "No licence.")
        self.reports(self.app.bundle_identifier)
        self.assertEqual(self.install().state, ItemState.INSTALLED)
        self.unassign()
        self.assertFalse(Command.objects.filter(request_type="RemoveApplication").exists())

    def test_an_app_whose_identifier_nobody_knows_counts_as_installed_when_it_is_accepted(self):
        App.objects.update(bundle_identifier="")
        self.reconcile(self.device)
        self.acknowledge(self.waiting("InstallApplication"), Identifier="com.example.secret", State="Installing")
        self.assertEqual(self.install().state, ItemState.INSTALLED)

    def test_a_stopped_removal_does_not_stop_the_next_install(self):
        self.installed()
        self.unassign()
        items.stop(self.device, ItemKind.APP, self.app.pk, SYSTEM)
        AppAssignment.objects.create(account=self.account, group=self.apps_group, app=self.app)
        self.reconcile(self.device)
        self.refuse(self.waiting("InstallApplication"), "No.")
        self.assertEqual((self.install().is_stopped, self.install().attempts), (False, 1))

    def test_a_configuration_that_is_pushed_while_the_app_comes_is_sent_when_it_is_there(self):
        self.reconcile(self.device)
        self.hand_out(self.waiting("InstallApplication"))
        push(self.app, actor=SYSTEM)
        self.reconcile_marked()
        self.acknowledge(self.waiting("InstallApplication"), State="Installing")
        self.acknowledge(self.waiting("InstalledApplicationList"), **self.list_of(self.app.bundle_identifier))
        self.reconcile_marked()
        self.assertEqual(self.waiting("Settings").parameters, {"Recipe": "app_configuration", "app": self.app.pk})

    def test_a_list_that_was_cut_off_does_not_tell_that_an_app_is_gone(self):
        self.installed()
        self.assertEqual(self.install().state, ItemState.INSTALLED)
        names = [f"com.example.other{n}" for n in range(2000)]
        self.reports(*names, self.app.bundle_identifier)
        self.assertEqual(self.install().state, ItemState.INSTALLED)
