"""What devices should have of profiles, against what was sent: only the difference is queued."""

from django.utils import timezone

from devices.models import DeviceState, ItemState, Profile, ProfileAssignment, ProfileInstall
from devices.services.due import mark_owner_due
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.services import cancel, enqueue
from mdm.commands.states import State
from mdm.endpoints.tasks import apply_results
from mdm.protocol import plist
from mdm.protocol.request_types.information import device_information
from tests.apps_catalog.base import ReconcileTestCase
from tests.factories import make_channel, make_device, make_group, make_installed_profile
from tests.factories.due import is_marked
from tests.factories.wanted import add_version, assign_profile, make_group_with, make_stored_profile


class ReconcileProfilesTest(ReconcileTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.profile = make_stored_profile(self.account)

    def install(self) -> ProfileInstall:
        return ProfileInstall.objects.get(device=self.device, profile=self.profile)

    def installed(self) -> None:
        """The profile is assigned directly, was sent, and the device has taken it."""
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)
        self.acknowledge(Command.objects.get())

    def unassigned(self) -> None:
        ProfileAssignment.objects.all().delete()
        self.reconcile(self.device)

    def test_a_directly_assigned_profile_is_sent_once(self):
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)
        self.reconcile(self.device)
        command = Command.objects.get(request_type="InstallProfile")
        self.assertEqual(command.parameters, {"Recipe": "profile", "profile": self.profile.pk, "version": 1})
        self.assertEqual(self.install().state, ItemState.PUSHED)
        self.assertEqual(self.install().command_uuid, command.command_uuid)

    def test_profiles_come_by_device_group_and_by_assignment_group(self):
        second, third = make_stored_profile(self.account), make_stored_profile(self.account)
        assign_profile(self.profile, self.device.group)
        assign_profile(second, make_group_with(self.account, self.device))
        assign_profile(third, make_group_with(self.account, self.device.group))
        self.reconcile(self.device)
        sent = {command.parameters["profile"] for command in Command.objects.all()}
        self.assertEqual(sent, {self.profile.pk, second.pk, third.pk})

    def test_a_profile_that_comes_by_two_ways_stays_until_both_end(self):
        by_group = assign_profile(self.profile, self.device.group)
        self.installed()
        by_group.delete()
        self.reconcile(self.device)
        self.assertEqual(Command.objects.count(), 1)

    def test_an_acknowledged_profile_is_installed_and_logged(self):
        self.installed()
        row = self.install()
        self.assertEqual((row.state, row.installed_version), (ItemState.INSTALLED, 1))
        self.assertEqual(self.logged("profile.installed").metadata["profile_id"], self.profile.pk)

    def test_a_refused_profile_keeps_the_devices_words_and_is_not_sent_again_by_itself(self):
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)
        self.refuse(Command.objects.get(), "The profile is not compatible.")
        self.reconcile(self.device)
        self.assertEqual((self.install().state, self.install().error), ("failed", "The profile is not compatible."))
        self.assertEqual(Command.objects.count(), 1)
        self.assertEqual(self.logged("profile.failed").metadata["why"], "The profile is not compatible.")

    def test_a_new_version_is_sent_to_those_who_have_the_old_one(self):
        self.installed()
        add_version(self.profile, 2)
        self.reconcile(self.device)
        self.assertEqual(Command.objects.order_by("pk").last().parameters["version"], 2)
        self.assertEqual((self.install().version, self.install().installed_version), (2, 1))

    def test_a_new_version_takes_back_the_old_one_that_still_waits(self):
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)
        add_version(self.profile, 2)
        self.reconcile(self.device)
        states = list(Command.objects.order_by("pk").values_list("state", flat=True))
        self.assertEqual(states, [State.CANCELLED, State.QUEUED])

    def test_an_unassigned_profile_is_removed_from_the_device(self):
        self.installed()
        self.unassigned()
        self.reconcile(self.device)
        removal = Command.objects.get(request_type="RemoveProfile")
        self.assertEqual(removal.parameters, {"Identifier": self.profile.profile_identifier})
        self.assertEqual(self.install().state, ItemState.REMOVING)
        self.acknowledge(removal)
        self.assertFalse(ProfileInstall.objects.exists())
        self.logged("profile.uninstalled")

    def test_a_profile_that_never_got_there_is_only_taken_back(self):
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)
        self.unassigned()
        self.assertEqual(Command.objects.get().state, State.CANCELLED)
        self.assertFalse(ProfileInstall.objects.exists())

    def test_a_profile_on_its_way_to_the_device_is_removed_after_it(self):
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)
        Command.objects.update(state=State.SENT)
        self.unassigned()
        self.assertEqual(Command.objects.order_by("pk").last().request_type, "RemoveProfile")

    def test_assigned_again_while_the_removal_waits_it_is_taken_back_and_nothing_is_sent(self):
        self.installed()
        self.unassigned()
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)
        self.assertEqual(Command.objects.get(request_type="RemoveProfile").state, State.CANCELLED)
        self.assertFalse(Command.objects.filter(request_type="InstallProfile", state=State.QUEUED).exists())
        self.assertEqual(self.install().state, ItemState.INSTALLED)

    def test_a_removal_that_the_device_refuses_because_it_has_no_such_profile_is_done(self):
        self.installed()
        self.unassigned()
        self.refuse(Command.objects.get(request_type="RemoveProfile"), "No such profile.")
        self.assertEqual(self.install().state, ItemState.REMOVING)
        self.acknowledge(Command.objects.get(request_type="ProfileList"), ProfileList=[])
        self.assertFalse(ProfileInstall.objects.exists())

    def test_a_removal_that_the_device_refuses_and_still_has_is_tried_again_later(self):
        self.installed()
        make_installed_profile(self.device, self.profile.profile_identifier)
        self.unassigned()
        self.refuse(Command.objects.get(request_type="RemoveProfile"), "It is locked.")
        self.assertEqual((self.install().state, self.install().error), (ItemState.REMOVING, "It is locked."))
        self.reconcile(self.device)
        self.assertEqual(Command.objects.filter(request_type="RemoveProfile").count(), 1)
        ProfileInstall.objects.update(retry_at=timezone.now())
        self.reconcile(self.device)
        self.assertEqual(Command.objects.filter(request_type="RemoveProfile").count(), 2)

    def test_a_command_that_an_operator_cancelled_is_sent_again_by_the_next_reconciliation(self):
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)
        cancel(Command.objects.get())
        self.reconcile(self.device)
        self.assertEqual(Command.objects.filter(state=State.QUEUED).count(), 1)

    def test_profiles_for_users_go_to_the_user_channels_of_a_mac(self):
        mac = make_device(self.account, platform="macOS")
        assign_profile(make_stored_profile(self.account, user_scope=True), mac)
        self.reconcile(mac)
        self.assertFalse(Command.objects.exists())
        user = make_channel(mac, user_key="USER-1")
        self.reconcile(mac)
        self.assertEqual(Command.objects.get().channel, user)
        self.assertEqual(ProfileInstall.objects.get().user_key, "USER-1")

    def test_profiles_for_users_go_to_the_device_itself_on_ios(self):
        assign_profile(make_stored_profile(self.account, user_scope=True), self.device)
        self.reconcile(self.device)
        self.assertEqual(Command.objects.get().channel, self.device.device_channel)

    def test_what_was_on_a_line_that_is_gone_is_forgotten(self):
        mac = make_device(self.account, platform="macOS")
        user = make_channel(mac, user_key="USER-1")
        assign_profile(make_stored_profile(self.account, user_scope=True), mac)
        self.reconcile(mac)
        user.state = ChannelState.CLOSED
        user.save(update_fields=["state"])
        self.reconcile(mac)
        self.assertFalse(ProfileInstall.objects.exists())

    def test_a_deleted_profile_is_removed_from_its_devices(self):
        self.installed()
        self.profile.removed_at = self.device.enrolled_at
        self.profile.save(update_fields=["removed_at"])
        self.reconcile(self.device)
        self.assertEqual(Command.objects.order_by("pk").last().request_type, "RemoveProfile")

    def test_a_version_that_the_device_has_received_is_removed_although_a_newer_one_was_taken_back(self):
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)
        Command.objects.update(state=State.SENT)
        add_version(self.profile, 2)
        self.reconcile(self.device)
        self.unassigned()
        states = list(Command.objects.order_by("pk").values_list("request_type", "state"))
        self.assertEqual(
            states, [("InstallProfile", "sent"), ("InstallProfile", "cancelled"), ("RemoveProfile", "queued")]
        )

    def uploaded_anew(self) -> Profile:
        """Another profile with the same identifier, in place of the one that was deleted."""
        self.profile.removed_at = self.device.enrolled_at
        self.profile.save(update_fields=["removed_at"])
        again = make_stored_profile(self.account, profile_identifier=self.profile.profile_identifier)
        assign_profile(again, self.device)
        return again

    def test_a_profile_takes_the_place_of_another_with_its_identifier(self):
        """Removed first, a profile with the Wi-Fi network would take the device off the network."""
        self.installed()
        again = self.uploaded_anew()
        self.reconcile(self.device)
        self.assertFalse(Command.objects.filter(request_type="RemoveProfile").exists())
        self.assertEqual(Command.objects.get(state=State.QUEUED).parameters["profile"], again.pk)
        self.assertEqual(ProfileInstall.objects.get().profile, again)

    def test_a_removal_that_waits_is_taken_back_when_another_takes_the_place(self):
        self.installed()
        self.unassigned()
        self.uploaded_anew()
        self.reconcile(self.device)
        self.assertEqual(Command.objects.get(request_type="RemoveProfile").state, State.CANCELLED)

    def test_a_removal_that_failed_is_not_tried_again_on_the_profile_that_took_the_place(self):
        self.installed()
        make_installed_profile(self.device, self.profile.profile_identifier)
        self.unassigned()
        self.refuse(Command.objects.get(request_type="RemoveProfile"), "It is locked.")
        self.uploaded_anew()
        self.reconcile(self.device)
        self.acknowledge(Command.objects.get(state=State.QUEUED))
        self.reconcile(self.device)
        self.assertFalse(Command.objects.filter(state=State.QUEUED).exists())

    def test_what_took_the_place_is_removed_even_if_it_was_refused_since_the_former_is_there(self):
        self.installed()
        self.uploaded_anew()
        self.reconcile(self.device)
        self.refuse(Command.objects.get(state=State.QUEUED), "It is not compatible.")
        self.unassigned()
        self.assertEqual(Command.objects.get(state=State.QUEUED).request_type, "RemoveProfile")

    def test_a_device_that_is_not_enrolled_gets_nothing_and_is_no_longer_due(self):
        assign_profile(self.profile, self.device)
        self.device.state = DeviceState.UNENROLLED
        self.device.save(update_fields=["state"])
        self.reconcile(self.device)
        self.assertFalse(Command.objects.exists())
        self.device.refresh_from_db()
        self.assertFalse(is_marked(self.device))

    def test_after_a_system_update_a_profile_that_wants_it_is_sent_again(self):
        self.installed()
        for wanted, version, expected in ((False, "18.0", 1), (True, "18.1", 2), (True, "18.1", 2)):
            Profile.objects.update(reinstall_after_os_update=wanted)
            question = enqueue(Channel.objects.get(device=self.device), device_information(platform=None))
            self.acknowledge(question, QueryResponses={"OSVersion": version})
            self.reconcile_marked()
            self.assertEqual(Command.objects.filter(request_type="InstallProfile").count(), expected, version)

    def test_only_devices_of_the_owner_are_marked(self):
        other = make_device(self.account, group=make_group(self.account))
        self.assertEqual(mark_owner_due(self.device.group), 1)
        other.refresh_from_db()
        self.assertFalse(is_marked(other))

    def test_the_number_of_statements_does_not_grow_with_the_devices(self):
        assign_profile(self.profile, self.device.group)
        few = self.statements_of_reconciling([self.device])
        devices = [make_device(self.account) for _ in range(12)]
        self.assertEqual(self.statements_of_reconciling(devices), few)

    def test_what_cannot_be_completed_for_delivery_fails_where_people_see_it(self):
        assign_profile(self.profile, self.device)
        self.reconcile(self.device)
        self.profile.versions.all().delete()
        self.assertIsNone(self.deliver(Command.objects.get()))
        self.assertEqual(self.install().state, ItemState.FAILED)
        self.assertEqual(self.install().error, "The profile was deleted before it was delivered.")


class AnswersOfOthersTest(ReconcileTestCase):
    def test_an_operators_own_install_profile_changes_nothing(self):
        device = make_device(self.account)
        command = Command.objects.create(
            account=self.account,
            channel=device.device_channel,
            request_type="InstallProfile",
            state=State.ACKNOWLEDGED,
            status="Acknowledged",
            apply_state="pending",
            result=plist.dumps({"Status": "Acknowledged"}),
        )
        apply_results()
        command.refresh_from_db()
        self.assertEqual(command.apply_state, "applied")
        self.assertFalse(ProfileInstall.objects.exists())
