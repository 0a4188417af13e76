"""Check-in: each message on device and user channels, with UDID or EnrollmentID."""

from devices.models import ProfileInstall
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.states import State
from tests.factories import make_command
from tests.factories.due import is_marked
from tests.factories.wanted import make_stored_profile
from tests.mdm.endpoints.base import DeviceTestCase
from tests.mdm.endpoints.signed_device import SignedDevice

FIRST_QUESTIONS = ["DeviceInformation", "SecurityInfo", "InstalledApplicationList", "ProfileList", "CertificateList"]


class FirstEnrollmentTest(DeviceTestCase):
    def queued(self, device: SignedDevice) -> list[str]:
        commands = Command.objects.filter(channel=device.channel, state=State.QUEUED).order_by("pk")
        return list(commands.values_list("request_type", flat=True))

    def test_authenticate_makes_the_device_and_a_channel_that_is_not_open_yet(self) -> None:
        device = self.new_device(udid="00008110-000A1B2C3D4E501E")
        response = device.authenticate()
        self.assertEqual((response.status_code, response.content), (200, b""))
        row = device.row
        self.assertEqual(
            (row.udid, row.serial_number, row.platform, row.os_version, row.state),
            ("00008110-000A1B2C3D4E501E", device.serial, "iOS", "17.5", "awaiting_enrollment"),
        )
        self.assertEqual(device.channel.state, ChannelState.AUTHENTICATED)
        self.assertEqual(device.channel.fingerprint, device.fingerprint)
        self.assertNotIn("device.enrolled", self.event_types())

    def test_the_first_token_update_completes_the_enrollment(self) -> None:
        device = self.new_device()
        device.authenticate()
        self.assertEqual(device.token_update(UnlockToken=b"unlock", AwaitingConfiguration=True).status_code, 200)
        channel = device.channel
        self.assertEqual(channel.state, ChannelState.OPEN)
        self.assertEqual((bytes(channel.push_token), channel.push_magic), (device.push_token, "the-magic"))
        self.assertEqual(channel.unlock_token, b"unlock")
        self.assertTrue(channel.awaiting_configuration)
        self.assertTrue(device.row.is_enrolled)
        self.assertEqual(len(self.events("device.enrolled")), 1)

    def test_the_first_inventory_is_queued_and_user_list_only_on_macs(self) -> None:
        self.assertEqual(self.queued(self.new_device("iOS").enroll()), FIRST_QUESTIONS)
        self.assertEqual(self.queued(self.new_device("tvOS").enroll()), FIRST_QUESTIONS)
        self.assertEqual(self.queued(self.new_device("macOS").enroll()), [*FIRST_QUESTIONS, "UserList"])

    def test_a_user_enrollment_is_known_by_its_enrollment_id(self) -> None:
        device = self.new_device(enrollment_id="E-1").enroll()
        row = device.row
        self.assertEqual((row.udid, row.enrollment_id, row.is_user_enrollment), ("", "E-1", True))
        self.assertTrue(device.channel.is_user_enrollment)
        self.assertEqual(self.queued(device), FIRST_QUESTIONS)

    def test_authenticate_said_twice_is_one_device(self) -> None:
        device = self.new_device()
        device.authenticate()
        first = device.row.pk
        self.assertEqual(device.authenticate().status_code, 200)
        self.assertEqual(device.row.pk, first)
        self.assertEqual(Channel.objects.count(), 1)


class ReenrollmentTest(DeviceTestCase):
    def test_a_known_device_keeps_its_row_and_history_and_loses_its_queue(self) -> None:
        device = self.enrolled_device()
        row = device.row
        done = make_command(device.channel, state=State.ACKNOWLEDGED)
        sent, queued = make_command(device.channel, state=State.SENT), make_command(device.channel)
        again = device.with_certificate(*self.issue(enrollment=self.identity_of(device).enrollment))
        self.assertEqual(again.authenticate(OSVersion="18.0").status_code, 200)
        self.assertEqual(again.row.pk, row.pk)
        self.assertEqual(again.row.os_version, "18.0")
        states = {command.pk: command.state for command in Command.objects.all()}
        self.assertEqual(states, {done.pk: State.ACKNOWLEDGED, sent.pk: State.CANCELLED, queued.pk: State.CANCELLED})
        again.token_update()
        self.assertEqual(len(self.events("device.enrolled")), 1)
        self.assertEqual(len(self.events("device.reenrolled")), 1)
        self.assertEqual(Command.objects.filter(state=State.QUEUED).count(), len(FIRST_QUESTIONS))

    def test_the_new_certificate_speaks_for_it_and_the_old_one_no_more(self) -> None:
        device = self.enrolled_device()
        again = device.with_certificate(*self.issue(enrollment=self.identity_of(device).enrollment)).enroll()
        self.assertEqual(again.channel.fingerprint, again.fingerprint)
        self.assertEqual(again.connect("Idle").status_code, 200)
        self.assertEqual(device.connect("Idle").status_code, 403)
        self.assertEqual(device.token_update().status_code, 403)
        self.assertEqual(again.channel.fingerprint, again.fingerprint)

    def test_users_lines_close_and_open_again_with_the_users_token_update(self) -> None:
        device = self.enrolled_device("macOS")
        user = device.user()
        user.token_update(UserShortName="jane")
        make_command(user.channel)
        again = device.with_certificate(*self.issue(enrollment=self.identity_of(device).enrollment)).enroll()
        self.assertEqual(user.channel.state, ChannelState.CLOSED)
        same_user = again.user(user.ids["UserID"])
        self.assertEqual(same_user.connect("Idle").status_code, 403)
        self.assertEqual(same_user.token_update(UserShortName="jane").status_code, 200)
        self.assertEqual(same_user.channel.state, ChannelState.OPEN)
        self.assertIsNone(same_user.channel.closed_at)
        self.assertEqual(same_user.connect("Idle").status_code, 200)

    def test_a_device_that_left_can_come_back(self) -> None:
        device = self.enrolled_device()
        row = device.row
        device.check_out()
        again = device.with_certificate(*self.issue(enrollment=self.identity_of(device).enrollment)).enroll()
        self.assertEqual((again.row.pk, again.row.state), (row.pk, "enrolled"))
        self.assertIsNone(again.row.unenrolled_at)
        self.assertIsNone(again.channel.closed_at)

    def test_an_authenticate_that_is_repeated_before_the_token_update_costs_nothing(self) -> None:
        device = self.new_device()
        device.authenticate()
        device.enroll()
        self.assertEqual(len(self.events("device.enrolled")), 1)
        self.assertEqual(self.events("device.reenrolled"), [])


class TokenUpdateTest(DeviceTestCase):
    def test_a_rotation_stores_the_token_and_does_nothing_else(self) -> None:
        device = self.enrolled_device()
        enrolled_at = device.channel.enrolled_at
        device.push_token = b"a new one"
        self.assertEqual(device.token_update(PushMagic="new magic").status_code, 200)
        channel = device.channel
        self.assertEqual((bytes(channel.push_token), channel.push_magic), (b"a new one", "new magic"))
        self.assertEqual(channel.enrolled_at, enrolled_at)
        self.assertEqual(Command.objects.count(), 0)
        self.assertEqual(self.event_types().count("device.enrolled"), 1)
        self.assertEqual(self.event_types().count("device.token_updated"), 1)

    def test_the_same_token_again_is_not_even_a_line_in_the_log(self) -> None:
        device = self.enrolled_device()
        before = self.event_types()
        device.token_update()
        self.assertEqual(self.event_types(), before)

    def test_a_stored_unlock_token_survives_an_update_without_one(self) -> None:
        device = self.enrolled_device()
        device.token_update(UnlockToken=b"the unlock token")
        device.token_update()
        device.token_update(UnlockToken=b"")
        self.assertEqual(device.channel.unlock_token, b"the unlock token")
        device.token_update(UnlockToken=b"another")
        self.assertEqual(device.channel.unlock_token, b"another")

    def test_a_device_without_a_push_token_enrolls_and_is_not_pushed(self) -> None:
        """A Mac that is not on the console sends none; it connects by itself."""
        device = self.new_device()
        device.authenticate()
        self.assertEqual(device.token_update(Token=b"", PushMagic="").status_code, 200)
        self.assertTrue(device.row.is_enrolled)
        self.assertIsNone(device.channel.push_due_at)
        device.token_update(Token=b"", PushMagic="")
        self.assertEqual(self.events("device.token_updated"), [])

    def test_the_first_one_asks_for_a_push(self) -> None:
        self.assertIsNotNone(self.new_device().enroll().channel.push_due_at)

    def test_it_revives_a_token_that_apns_called_dead(self) -> None:
        device = self.enrolled_device()
        Channel.objects.update(push_token_dead_at=device.channel.enrolled_at, push_error="Unregistered")
        device.token_update(Token=b"fresh")
        self.assertTrue(device.channel.can_be_pushed)
        self.assertEqual(device.channel.push_error, "")

    def test_tokens_may_have_any_length(self) -> None:
        device = self.enrolled_device()
        for length in (1, 32, 33, 100, 4096):
            self.assertEqual(device.token_update(Token=b"t" * length).status_code, 200)
            self.assertEqual(len(device.channel.push_token), length)

    def test_a_users_first_one_opens_a_channel_of_its_own(self) -> None:
        device = self.enrolled_device("macOS")
        user = device.user()
        self.assertEqual(user.token_update(UserShortName="jane", UserLongName="Jane Doe").status_code, 200)
        channel = user.channel
        self.assertEqual((channel.state, channel.user_key), (ChannelState.OPEN, user.ids["UserID"]))
        self.assertEqual((channel.user_short_name, channel.user_long_name), ("jane", "Jane Doe"))
        self.assertEqual(channel.device, device.row)
        self.assertEqual(self.events("channel.opened")[0].metadata, {"user": "jane"})
        self.assertEqual(self.event_types().count("device.enrolled"), 1)
        self.assertEqual(Command.objects.count(), 0)
        user.token_update(Token=b"rotated")
        self.assertEqual(len(self.events("channel.opened")), 1)

    def test_a_users_line_that_opens_again_has_none_of_the_profiles_that_came_before(self) -> None:
        device = self.enrolled_device("macOS")
        user = device.user()
        user.token_update()
        profile = make_stored_profile(self.account, user_scope=True)
        for user_key in (user.ids["UserID"], "ANOTHER"):
            ProfileInstall.objects.create(
                account=self.account, profile=profile, device=device.row, user_key=user_key, version=1
            )
        user.token_update(Token=b"rotated")
        self.assertEqual(ProfileInstall.objects.count(), 2)
        user.check_out()
        user.token_update()
        self.assertEqual(ProfileInstall.objects.get().user_key, "ANOTHER")
        device.row.refresh_from_db()
        self.assertTrue(is_marked(device.row))

    def test_a_user_of_a_user_enrollment_has_a_channel_too(self) -> None:
        device = self.enrolled_device(enrollment_id="E-2")
        user = device.user("USER-1")
        self.assertEqual(user.token_update().status_code, 200)
        self.assertEqual((user.channel.device_key, user.channel.user_key), ("E-2", "USER-1"))

    def test_users_of_a_shared_ipad_are_told_apart_by_their_names(self) -> None:
        device = self.enrolled_device()
        for name in ("ana@example.com", "ben@example.com"):
            shared = device.user("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF")
            self.assertEqual(shared.token_update(UserShortName=name, UserLongName=name).status_code, 200)
        keys = set(Channel.objects.exclude(user_key="").values_list("user_key", flat=True))
        self.assertEqual(keys, {"ana@example.com", "ben@example.com"})

    def test_before_authenticate_it_is_refused(self) -> None:
        device = self.new_device()
        self.assertEqual(device.token_update().status_code, 403)
        self.assertEqual(device.user().token_update().status_code, 403)
        self.assertEqual(Channel.objects.count(), 0)


class CheckOutTest(DeviceTestCase):
    def test_it_closes_every_line_of_the_device_and_clears_the_queue(self) -> None:
        device = self.enrolled_device("macOS")
        user = device.user()
        user.token_update()
        make_command(device.channel)
        make_command(user.channel, state=State.SENT)
        self.assertEqual(device.check_out().status_code, 200)
        self.assertEqual((device.channel.state, user.channel.state), (ChannelState.CLOSED, ChannelState.CLOSED))
        self.assertEqual(set(Command.objects.values_list("state", flat=True)), {State.CANCELLED})
        self.assertEqual(device.row.state, "unenrolled")
        self.assertIsNotNone(device.row.unenrolled_at)

    def test_said_twice_it_changes_nothing_more(self) -> None:
        device = self.enrolled_device()
        device.check_out()
        closed_at, left_at, events = device.channel.closed_at, device.row.unenrolled_at, self.event_types()
        self.assertEqual(device.check_out().status_code, 200)
        self.assertEqual((device.channel.closed_at, device.row.unenrolled_at), (closed_at, left_at))
        self.assertEqual(self.event_types(), events)

    def test_a_users_one_leaves_the_device_enrolled(self) -> None:
        device = self.enrolled_device("macOS")
        user = device.user()
        user.token_update(UserShortName="jane")
        self.assertEqual(user.check_out().status_code, 200)
        user.check_out()
        self.assertEqual((user.channel.state, device.channel.state), (ChannelState.CLOSED, ChannelState.OPEN))
        self.assertTrue(device.row.is_enrolled)
        self.assertEqual(len(self.events("channel.closed")), 1)

    def test_a_user_can_come_back(self) -> None:
        device = self.enrolled_device("macOS")
        user = device.user()
        user.token_update()
        user.check_out()
        self.assertEqual(user.token_update().status_code, 200)
        self.assertEqual(user.channel.state, ChannelState.OPEN)
