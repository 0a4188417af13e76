"""Devices that wait in Setup Assistant: what is assigned comes first, then they go on, and none waits for ever."""

from datetime import timedelta
from unittest.mock import patch

from django.conf import settings
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps_catalog.models import AppInstall
from apps_catalog.services.reconcile import reconcile_due
from devices.models import ItemState
from enrollment.models import PrimaryAccount
from enrollment.services.setup_assistant import MOST_REFUSALS, release_due
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.services import cancel, enqueue
from mdm.commands.states import ApplyState, State
from mdm.common.nudge import nudge
from mdm.endpoints.tasks import apply_results
from mdm.protocol.request_types.power import restart_device
from mdm.virtual.device import VirtualDevice
from mdm.virtual.installing import ALL_APPS, InstallCourse
from tests.enrollment.ade_base import AdeTestCase
from tests.factories import (
    make_app,
    make_assignment_group,
    make_dep_device,
    make_device,
    make_profile,
    make_profile_assignment,
)
from tests.factories.channels import make_channel
from tests.factories.licences import make_content_asset, make_content_token, make_licence

RELEASE = "DeviceConfigured"


class WaitingTestCase(AdeTestCase):
    """Nothing happens by itself: `work` is what the workers do, but for letting devices go on."""

    def setUp(self) -> None:
        super().setUp()
        for module in ("connect", "tasks"):
            self.enterContext(patch(f"mdm.endpoints.{module}.nudge"))

    def enrolled(self, platform: str = "ios", **options: object) -> VirtualDevice:
        device = self.device(platform, **options)
        device.enroll_automatically(self.url)
        return device

    def assign_profile(self) -> None:
        self.profile = make_profile(self.account, "Wi-Fi")
        make_profile_assignment(self.profile, self.office)

    def assign_app(self) -> None:
        self.app = make_app(self.account, "Surf")
        make_assignment_group(self.account, members=[self.office], apps=[self.app])

    def grow_old(self) -> None:
        past = timezone.now() - timedelta(seconds=settings.AWAIT_CONFIGURATION_SECONDS + 1)
        Channel.objects.update(awaiting_since=past)

    def releases(self) -> list[str]:
        """States of all orders to go on."""
        found = Command.objects.filter(request_type__in=(RELEASE, "UserConfigured")).order_by("pk")
        return list(found.values_list("state", flat=True))

    def answered(self, device: VirtualDevice) -> list[str]:
        return [one.command.request_type for one in device.drain()]


class OrderTest(WaitingTestCase):
    def test_what_is_assigned_comes_before_the_end_of_setup(self) -> None:
        self.assign_profile()
        self.assign_app()
        device = self.enrolled()
        self.assertEqual(release_due(), 0)  # nobody has compared it with what it should have
        reconcile_due()
        self.assertEqual(release_due(), 0)  # it has not answered anything
        first = self.answered(device)
        self.assertTrue({"DeviceInformation", "InstallProfile", "InstallApplication"} <= set(first))
        self.assertEqual(release_due(), 0)  # nobody has read its answers
        apply_results()
        self.assertEqual(release_due(), 0)  # what they say may change what it should have
        reconcile_due()
        self.assertEqual(self.asked(), ["InstalledApplicationList"])  # what became of the app
        self.answered(device)
        self.work()
        self.assertEqual(release_due(), 1)
        self.assertTrue(device.state.awaiting_configuration)
        self.assertEqual(self.answered(device), [RELEASE])
        self.assertFalse(device.state.awaiting_configuration)
        self.assertTrue(self.channel().awaiting_configuration)
        self.work()
        self.assertFalse(self.channel().awaiting_configuration)
        self.assertIsNone(self.channel().awaiting_since)
        self.assertEqual(len(self.events("setup.released")), 1)
        self.assertEqual(len(self.events("setup.finished")), 1)
        self.assertEqual((release_due(), self.releases()), (0, [State.ACKNOWLEDGED]))

    def test_the_workers_notice_when_its_answers_were_read(self) -> None:
        device = self.enrolled()
        self.work()
        self.answered(device)
        self.work()
        with patch("mdm.endpoints.tasks.nudge", nudge):
            Command.objects.filter(request_type="ProfileList").update(apply_state=ApplyState.PENDING)
            apply_results()
        self.assertEqual(self.asked(), [RELEASE])

    def test_answers_of_devices_that_do_not_wait_wake_nobody(self) -> None:
        device = self.device()
        device.enroll_automatically(self.url, awaits_configuration=False)
        self.answered(device)
        with patch("mdm.endpoints.tasks.nudge") as woken:
            apply_results()
        woken.assert_not_called()

    def test_an_app_that_is_still_installing_keeps_nobody_waiting(self) -> None:
        self.assign_app()
        device = self.enrolled()
        device.behaviour.installs = {ALL_APPS: InstallCourse(steps=1000)}
        for _ in range(4):
            self.work()
            self.answered(device)
        self.work()
        self.assertEqual(AppInstall.objects.get().state, ItemState.PUSHED)
        self.assertEqual((release_due(), self.asked()), (1, [RELEASE]))

    def test_a_licence_on_its_way_is_waited_for_and_one_that_does_not_come_is_not(self) -> None:
        device = self.enrolled()
        self.work()
        self.answered(device)
        self.work()
        licence = make_licence(make_content_asset(make_content_token(self.account)), self.row(), state="asking")
        self.assertEqual(release_due(), 0)
        for change in ({"is_short": True}, {"attempts": 1}, {"state": "assigned"}):
            type(licence).objects.update(**change)
            with transaction.atomic():
                self.assertEqual(release_due(), 1, change)
                transaction.set_rollback(True)
            type(licence).objects.update(is_short=False, attempts=0, state="asking")

    def test_what_failed_keeps_nobody_waiting_and_is_named(self) -> None:
        self.assign_profile()
        device = self.enrolled()
        device.behaviour.errors_for = {"InstallProfile": None, "CertificateList": None}
        self.work()
        self.answered(device)
        self.work()
        self.assertEqual(release_due(), 1)
        self.assertEqual(self.events("setup.released")[0].metadata["failed"], ["Wi-Fi"])

    def test_an_answer_that_cannot_be_read_keeps_nobody_waiting(self) -> None:
        device = self.enrolled()
        self.work()
        self.answered(device)
        with patch("mdm.endpoints.tasks.RESULTS", {"ProfileList": (lambda *_: 1 / 0,)}), self.assertLogs():
            apply_results()
        reconcile_due()
        self.assertEqual(release_due(), 1)

    def test_a_device_with_nothing_assigned_goes_on_after_its_inventory(self) -> None:
        device = self.enrolled()
        self.work()
        self.answered(device)
        self.work()
        self.assertEqual((release_due(), self.answered(device)), (1, [RELEASE]))

    def test_it_is_told_once_whatever_is_lost_or_done_twice(self) -> None:
        device = self.enrolled()
        self.work()
        self.answered(device)
        self.work()
        self.assertEqual([release_due() for _ in range(3)], [1, 0, 0])
        (command,) = [device.idle()]
        self.assertEqual(command.request_type, RELEASE)
        self.assertEqual(device.idle().uuid, command.uuid)  # the answer got lost: the same one again
        self.grow_old()
        self.assertEqual(release_due(), 0)
        device.answer(command)
        device.answer(command)  # and once more
        self.assertEqual(release_due(), 0)  # answered, not read
        self.work()
        self.assertEqual((release_due(), self.releases()), (0, [State.ACKNOWLEDGED]))
        self.assertEqual(len(self.events("setup.finished")), 1)

    def test_a_worker_that_dies_has_done_nothing(self) -> None:
        device = self.enrolled()
        self.work()
        self.answered(device)
        self.work()
        with (
            patch("enrollment.services.setup_assistant.emit_many", side_effect=RuntimeError("killed")),
            self.assertRaises(RuntimeError),
        ):
            release_due()
        self.assertEqual((self.releases(), release_due()), ([], 1))

    def test_an_order_that_an_operator_took_back_is_given_again(self) -> None:
        device = self.enrolled()
        self.work()
        self.answered(device)
        self.work()
        release_due()
        cancel(Command.objects.get(request_type=RELEASE))
        self.assertEqual((release_due(), self.releases()), (1, [State.CANCELLED, State.QUEUED]))

    def test_a_device_that_says_again_that_it_waits_is_told_again(self) -> None:
        device = self.enrolled()
        self.work()
        self.answered(device)
        self.work()
        release_due()
        self.answered(device)
        device.token_update(awaiting_configuration=True)  # before its answer was read
        self.work()
        self.assertTrue(self.channel().awaiting_configuration)
        self.assertEqual((release_due(), self.answered(device)), (1, [RELEASE]))
        self.work()
        self.assertFalse(self.channel().awaiting_configuration)

    def test_a_wiped_device_waits_and_goes_on_anew(self) -> None:
        device = self.enrolled()
        for _ in range(2):
            self.work()
            self.answered(device)
            self.work()
            self.assertEqual((release_due(), self.answered(device)), (1, [RELEASE]))
            self.work()
            device.erase()
            device.enroll_automatically(self.url)

    def test_devices_that_do_not_wait_are_told_nothing(self) -> None:
        device = self.device()
        device.enroll_automatically(self.url, awaits_configuration=False)
        make_device(self.account)
        self.work()
        self.answered(device)
        self.work()
        self.grow_old()
        self.assertEqual((release_due(), self.releases()), (0, []))

    def test_looking_takes_the_same_statements_for_any_number_of_devices(self) -> None:
        def waiting() -> None:
            device = make_device(self.account)
            Channel.objects.filter(device=device).update(
                awaiting_configuration=True, awaiting_since=timezone.now(), token_updated_at=timezone.now()
            )

        counts = []
        for number in (1, 20):
            for _ in range(number):
                waiting()
            with CaptureQueriesContext(connection) as captured:
                self.assertEqual(release_due(), number)
            counts.append(len(captured))
        self.assertEqual(counts[1], counts[0])


class TimeoutTest(WaitingTestCase):
    def test_a_device_that_postpones_is_let_go_in_the_end(self) -> None:
        self.assign_profile()
        device = self.enrolled()
        device.behaviour.not_now_for = {"InstallProfile"}
        self.work()
        self.answered(device)
        self.work()
        self.assertEqual(release_due(), 0)
        self.grow_old()
        self.assertEqual(release_due(), 1)
        (event,) = self.events("setup.released_early")
        self.assertEqual(
            (event.level, event.metadata["left"], event.metadata["commands"]), (1, ["Wi-Fi"], ["InstallProfile"])
        )
        self.assertEqual(self.answered(device), [RELEASE])
        self.assertEqual(self.answered(device), ["InstallProfile"])
        self.work()
        self.assertFalse(self.channel().awaiting_configuration)

    def test_a_command_that_is_never_answered_does_not_stand_in_the_way(self) -> None:
        device = self.enrolled()
        self.work()
        stuck = device.idle()
        self.assertEqual(device.idle().uuid, stuck.uuid)
        self.grow_old()
        release_due()
        self.assertEqual(device.idle().request_type, RELEASE)

    def test_a_device_that_never_said_a_word_is_let_go_when_it_does(self) -> None:
        self.assign_profile()
        device = self.enrolled()
        self.grow_old()
        self.assertEqual(release_due(), 1)
        self.assertEqual(self.answered(device)[0], RELEASE)
        self.assertGreater(len(self.events("setup.released_early")[0].metadata["commands"]), 3)

    def test_what_was_left_comes_afterwards(self) -> None:
        self.assign_profile()
        device = self.enrolled()
        self.grow_old()
        release_due()
        self.answered(device)
        self.work()
        self.answered(device)
        self.assertIn(self.profile.profile_identifier, device.state.profiles_of(""))

    def test_it_may_postpone_the_order_itself(self) -> None:
        device = self.enrolled()
        device.behaviour.not_now_for = {RELEASE}
        self.work()
        self.answered(device)
        self.work()
        release_due()
        self.assertEqual(self.answered(device), [RELEASE])
        self.grow_old()
        self.assertEqual((release_due(), self.releases()), (0, [State.QUEUED]))
        device.behaviour.not_now_for = set()
        self.assertEqual(self.answered(device), [RELEASE])

    def test_a_device_that_refuses_is_told_a_few_times_more(self) -> None:
        device = self.enrolled()
        device.behaviour.errors_for = {RELEASE: None}
        self.work()
        self.answered(device)
        self.work()
        for number in range(MOST_REFUSALS):
            self.assertEqual(release_due(), 1, number)
            self.assertEqual(self.answered(device), [RELEASE])
            self.work()
            self.assertEqual(release_due(), 0)  # not at once
            Command.objects.filter(request_type=RELEASE).update(finished_at=timezone.now() - timedelta(minutes=2))
        self.assertEqual(release_due(), 0)
        self.assertFalse(self.channel().awaiting_configuration)
        self.assertEqual(len(self.events("setup.refused")), 1)

    def test_what_is_overtaken_keeps_its_order_otherwise(self) -> None:
        """Only for a device that waits: elsewhere an operator's order comes in its turn."""
        device = self.enrolled_device()
        channel = Channel.objects.select_related("device").get(pk=device.channel.pk)
        enqueue(channel, restart_device())
        Command.objects.create(account=self.account, channel=channel, request_type=RELEASE)
        self.assertEqual(device.idle()["Command"]["RequestType"], "RestartDevice")
        Channel.objects.filter(pk=channel.pk).update(awaiting_configuration=True)
        self.assertEqual(device.idle()["Command"]["RequestType"], RELEASE)


class AccountsTest(WaitingTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.settings.admin_short_name, self.settings.admin_password = "itadmin", "s3cret-of-the-admin"
        self.settings.admin_full_name = "IT"
        self.settings.primary_account = PrimaryAccount.STANDARD
        self.settings.primary_full_name, self.settings.primary_user_name = "Jane Doe", "jane"
        self.settings.locks_primary_account = True
        self.settings.save()

    def test_a_mac_gets_its_accounts_first(self) -> None:
        mac = self.enrolled("macos")
        self.assertEqual(self.asked()[0], "AccountConfiguration")
        stored = Command.objects.get(request_type="AccountConfiguration")
        self.assertNotIn("s3cret", str(stored.parameters))
        self.work()
        self.answered(mac)
        self.work()
        self.assertEqual(list(mac.state.users), ["itadmin"])
        self.assertIn(b"SALTED-SHA512-PBKDF2", mac.state.admin_accounts[0]["passwordHash"])
        said = mac.state.account_configuration
        self.assertEqual(
            {key: said[key] for key in said if key != "AutoSetupAdminAccounts"},
            {
                "SetPrimarySetupAccountAsRegularUser": True,
                "PrimaryAccountFullName": "Jane Doe",
                "PrimaryAccountUserName": "jane",
                "LockPrimaryAccountInfo": True,
            },
        )
        self.assertIs(said["AutoSetupAdminAccounts"][0]["hidden"], True)
        release_due()
        self.answered(mac)
        self.assertEqual(list(mac.state.users), ["itadmin", "jane"])
        self.assertIs(mac.state.users["jane"]["IsAdmin"], False)

    def test_without_an_account_for_the_person_there_is_only_the_administrator(self) -> None:
        self.change(primary_account=PrimaryAccount.NONE)
        mac = self.enrolled("macos")
        self.work()
        self.answered(mac)
        self.work()
        release_due()
        self.answered(mac)
        self.assertEqual(list(mac.state.users), ["itadmin"])

    def test_an_account_is_never_skipped_without_an_administrator(self) -> None:
        self.change(primary_account=PrimaryAccount.NONE, admin_short_name="")
        mac = self.enrolled("macos")
        self.work()
        self.answered(mac)
        self.assertNotIn("SkipPrimarySetupAccountCreation", mac.state.account_configuration)

    def test_nothing_is_asked_where_the_settings_say_nothing(self) -> None:
        self.change(admin_short_name="", primary_full_name="", primary_user_name="")
        self.enrolled("macos")
        self.assertNotIn("AccountConfiguration", self.asked())

    def test_neither_phones_nor_macs_that_do_not_wait_are_asked(self) -> None:
        self.enrolled("ios")
        self.assertNotIn("AccountConfiguration", self.asked())
        make_dep_device(self.server, "C02ADEMAC001")
        self.device("macos", serial="C02ADEMAC001").enroll_automatically(self.url, awaits_configuration=False)
        self.assertFalse(Command.objects.filter(request_type="AccountConfiguration").exists())

    def test_settings_that_go_meanwhile_fail_the_command_and_hold_nobody(self) -> None:
        mac = self.enrolled("macos")
        self.change(removed_at=timezone.now())
        self.work()
        self.answered(mac)
        self.assertEqual(len(self.events("command.undeliverable")), 1)
        self.work()
        self.assertEqual(release_due(), 1)


class SharedIPadTest(WaitingTestCase):
    def test_a_user_who_waits_goes_on_by_a_line_of_their_own(self) -> None:
        ipad = self.enrolled(is_shared_ipad=True)
        self.work()
        self.answered(ipad)
        self.work()
        release_due()
        self.answered(ipad)
        self.work()
        user = ipad.user(next(iter(ipad.state.users)))
        user.token_update(awaiting_configuration=True)
        self.work()
        self.assertEqual(release_due(), 1)
        self.assertEqual(self.answered(user), ["UserConfigured"])
        self.work()
        self.assertFalse(Channel.objects.filter(awaiting_configuration=True).exists())
        finished = self.events("setup.finished")
        self.assertEqual([one.metadata.get("user") for one in finished], [None, user.user_name])
        user.token_update(awaiting_configuration=True)  # at the next sign-in on this iPad
        self.assertEqual((release_due(), self.answered(user)), (1, ["UserConfigured"]))

    def test_what_waits_for_the_device_keeps_no_user_waiting(self) -> None:
        device = make_device(self.account)
        channel = make_channel(
            device,
            user_key="U1",
            awaiting_configuration=True,
            awaiting_since=timezone.now(),
            token_updated_at=timezone.now(),
        )
        enqueue(Channel.objects.select_related("device").get(device=device, user_key=""), restart_device())
        self.assertEqual((release_due(), self.asked(channel)), (1, ["UserConfigured"]))
