from datetime import timedelta

from django.test import override_settings
from django.utils import timezone

from devices.models import Device, DeviceState
from enrollment.models import IdentityCertificate, ScepChallenge
from enrollment.services.challenges import KEPT
from enrollment.tasks import renew_identities
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.states import State
from tests.enrollment.base import EnrollmentTestCase
from tests.factories import make_channel, make_device


class RenewIdentitiesTest(EnrollmentTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account)
        self.identity = self.issued()
        self.change(device=self.device, not_after=timezone.now() + timedelta(days=20))
        Channel.objects.update(fingerprint=self.identity.fingerprint)

    def change(self, **fields: object) -> None:
        IdentityCertificate.objects.filter(pk=self.identity.pk).update(**fields)

    def test_a_device_whose_identity_runs_out_soon_is_sent_its_profile(self):
        self.assertEqual(renew_identities(), 1)
        command = Command.objects.get()
        self.assertEqual(command.request_type, "InstallProfile")
        self.assertEqual(command.parameters, {"Recipe": "enrollment_profile"})
        self.assertEqual(command.channel.device, self.device)
        self.identity.refresh_from_db()
        self.assertIsNotNone(self.identity.renewal_asked_at)
        event = self.events("certificate.renewal_asked")[0]
        self.assertEqual((event.device, event.namespace), (self.device, "system"))

    def test_no_secret_is_stored_with_the_command(self):
        renew_identities()
        self.assertEqual(ScepChallenge.objects.filter(device=self.device).count(), 0)

    def test_asking_again_at_once_asks_nobody(self):
        renew_identities()
        self.assertEqual(renew_identities(), 0)
        self.assertEqual(Command.objects.count(), 1)

    def test_a_day_later_it_is_asked_again(self):
        renew_identities()
        Command.objects.update(state=State.ACKNOWLEDGED)
        self.change(renewal_asked_at=timezone.now() - timedelta(days=1, minutes=1))
        self.assertEqual(renew_identities(), 1)

    def test_while_the_command_waits_no_second_one_is_queued(self):
        renew_identities()
        self.change(renewal_asked_at=timezone.now() - timedelta(days=2))
        self.assertEqual(renew_identities(), 0)
        self.assertEqual(Command.objects.count(), 1)

    def test_the_setting_says_what_soon_is(self):
        with override_settings(IDENTITY_RENEWAL_DAYS=10):
            self.assertEqual(renew_identities(), 0)

    def test_users_of_the_device_are_not_sent_it(self):
        make_channel(self.device, user_key="USER", device_key=self.device.udid, fingerprint=self.identity.fingerprint)
        self.assertEqual(renew_identities(), 1)
        self.assertEqual(Command.objects.get().channel.user_key, "")

    def test_whoever_cannot_renew_is_not_asked(self):
        now = timezone.now()
        cases = {
            "revoked": lambda: self.change(revoked_at=now),
            "expired": lambda: self.change(revoked_at=None, not_after=now - timedelta(minutes=1)),
            "replaced": lambda: (
                self.change(not_after=now + timedelta(days=1)),
                Channel.objects.update(fingerprint="f" * 64),
            ),
            "closed": lambda: Channel.objects.update(fingerprint=self.identity.fingerprint, state=ChannelState.CLOSED),
            "unenrolled": lambda: (
                Channel.objects.update(state=ChannelState.OPEN),
                Device.objects.update(state=DeviceState.UNENROLLED),
            ),
            "removed": lambda: Device.objects.update(state=DeviceState.ENROLLED, removed_at=now),
        }
        for reason, change in cases.items():
            with self.subTest(reason):
                change()
                self.assertEqual(renew_identities(), 0)
        Device.objects.update(removed_at=None)
        self.assertEqual(renew_identities(), 1, "each case above differed in one thing only")

    def test_old_challenges_are_forgotten(self):
        self.challenge()
        ScepChallenge.objects.update(expires_at=timezone.now() - KEPT - timedelta(minutes=1))
        self.challenge()
        renew_identities()
        self.assertEqual(ScepChallenge.objects.count(), 1)
