"""Due pushes: several reasons are one push, nothing is lost, and what APNs says is kept."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from unittest.mock import patch

from django.utils import timezone

from mdm.channels.models import Channel, ChannelState
from mdm.channels.services import request_push
from mdm.commands.services import enqueue
from mdm.events.models import Event, Level
from mdm.protocol.request_types import Request
from mdm.push import services
from mdm.push.apns import Credentials, Kind, Outcome, Wake
from mdm.push.models import PushCertificate
from tests.base import AccountTestCase
from tests.factories import make_device
from tests.factories.channels import TOPIC
from tests.mdm.push.certificates import make_push_certificate


class PusherDouble:
    """Stands where the real client does. answers: what becomes of a wake, by channel; accepted if not said."""

    def __init__(self) -> None:
        self.sent: list[Wake] = []
        self.sends: list[Credentials] = []
        self.answers: dict[int, Outcome | Exception] = {}
        self.meanwhile: Callable[[], object] | None = None

    def send(self, credentials: Credentials, wakes: Sequence[Wake], **options: object) -> list[Outcome]:
        self.sends.append(credentials)
        self.sent += wakes
        if self.meanwhile:
            self.meanwhile()
        outcomes = [self.answers.get(wake.id, Outcome(wake.id, Kind.ACCEPTED, status=200)) for wake in wakes]
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
        return outcomes

    def says(self, channel: Channel, kind: Kind, reason: str = "", **more: object) -> None:
        self.answers[channel.pk] = Outcome(channel.pk, kind, reason=reason, **more)


class PushTestCase(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.pusher = PusherDouble()
        patcher = patch.object(services, "pusher", self.pusher)
        patcher.start()
        self.addCleanup(patcher.stop)
        self.certificate = make_push_certificate(self.account)
        self.device = make_device(self.account)

    @property
    def channel(self) -> Channel:
        return Channel.objects.get(device=self.device)

    def due_in(self) -> float:
        return round((self.channel.push_due_at - timezone.now()).total_seconds())

    def events(self, event_type: str) -> list[Event]:
        return list(Event.objects.filter(event_type=event_type))


class SendTest(PushTestCase):
    def test_ten_commands_are_one_push(self) -> None:
        for _ in range(10):
            enqueue(Channel.objects.select_related("device").get(), Request("SecurityInfo"))
        self.assertEqual(services.send_due(), 1)
        (wake,) = self.pusher.sent
        channel = self.channel
        self.assertEqual(
            (wake.id, wake.topic, wake.token, wake.push_magic),
            (channel.pk, TOPIC, bytes(channel.push_token), channel.push_magic),
        )
        self.assertEqual((channel.push_due_at, channel.push_attempts, channel.push_error), (None, 0, ""))
        self.assertIsNotNone(channel.last_push_at)

    def test_nothing_due_sends_nothing(self) -> None:
        request_push([self.channel.pk], at=timezone.now() + timedelta(minutes=1))
        self.assertEqual(services.send_due(), 0)
        self.assertEqual(self.pusher.sends, [])

    def test_channels_that_are_closed_or_cannot_be_woken_are_not_marked(self) -> None:
        for fields in ({"state": ChannelState.CLOSED}, {"push_token": b""}, {"push_token_dead_at": timezone.now()}):
            device = make_device(self.account)
            Channel.objects.filter(device=device).update(**fields)
            self.assertEqual(request_push([device.device_channel.pk]), 0)

    def test_a_removed_device_is_woken_so_that_it_learns_of_it(self) -> None:
        Channel.objects.update(state=ChannelState.LEAVING)
        self.assertEqual(request_push([self.channel.pk]), 1)

    def test_each_account_is_served_with_its_own_certificate(self) -> None:
        other = make_device(self.other_account)
        make_push_certificate(self.other_account, topic=TOPIC + "2", key_pem="other key")
        request_push([self.channel.pk, other.device_channel.pk])
        self.assertEqual(services.send_due(), 2)
        self.assertEqual({credentials.key_pem for credentials in self.pusher.sends}, {b"key", b"other key"})

    def test_the_trouble_of_one_account_does_not_hold_up_the_others(self) -> None:
        other = make_device(self.other_account)
        make_push_certificate(self.other_account)
        self.pusher.answers[self.channel.pk] = ValueError("something unforeseen")
        request_push([self.channel.pk])
        request_push([other.device_channel.pk])
        with self.assertLogs("pomona.push", "ERROR"):
            self.assertEqual(services.send_due(), 2)
        self.assertIsNotNone(Channel.objects.get(device=other).last_push_at)
        self.assertIsNone(self.channel.last_push_at)
        self.assertEqual(self.due_in(), services.LEASE.total_seconds())

    def test_more_than_one_batch_is_sent(self) -> None:
        pks = [make_device(self.account).device_channel.pk for _ in range(5)]
        request_push(pks)
        with patch.object(services.claim_due, "__defaults__", (2,)):
            self.assertEqual(services.send_due(), 5)
        self.assertEqual(sorted(wake.id for wake in self.pusher.sent), sorted(pks))

    def test_accepted_pushes_cost_the_same_however_many(self) -> None:
        for count in (2, 30):
            request_push([make_device(self.account).device_channel.pk for _ in range(count)])
            with self.assertNumQueries(11):
                self.assertEqual(services.send_due(), count)

    def test_without_a_certificate_nothing_is_sent_and_the_channel_says_why(self) -> None:
        self.certificate.delete()
        request_push([self.channel.pk])
        services.send_due()
        self.assertEqual(self.pusher.sends, [])
        self.assertEqual((self.channel.push_due_at, self.channel.push_error), (None, services.NO_CERTIFICATE))


class LeaseTest(PushTestCase):
    def test_a_claimed_push_is_skipped_by_others_until_its_lease_ends(self) -> None:
        request_push([self.channel.pk])
        self.assertEqual(len(services.claim_due()), 1)
        self.assertEqual(services.claim_due(), [])
        self.assertEqual(self.due_in(), services.LEASE.total_seconds())

    def test_a_push_whose_worker_died_is_sent_after_all(self) -> None:
        request_push([self.channel.pk])
        services.claim_due()
        with patch.object(timezone, "now", return_value=timezone.now() + services.LEASE + timedelta(seconds=1)):
            self.assertEqual(services.send_due(), 1)
        self.assertEqual(len(self.pusher.sent), 1)
        self.assertIsNone(self.channel.push_due_at)

    def test_a_push_asked_for_during_the_sending_is_not_lost(self) -> None:
        """The device may have connected before the second command was queued: it needs another push."""

        def once() -> None:
            self.pusher.meanwhile = None
            request_push([self.channel.pk])

        self.pusher.meanwhile = once
        request_push([self.channel.pk])
        self.assertEqual(services.send_due(), 2)
        self.assertEqual(len(self.pusher.sent), 2)
        self.assertIsNone(self.channel.push_due_at)

    def test_a_retry_does_not_put_off_a_push_asked_for_meanwhile(self) -> None:
        self.pusher.says(self.channel, Kind.RETRY, "TooManyRequests")
        asked_at = timezone.now() + timedelta(seconds=5)
        self.pusher.meanwhile = lambda: request_push([self.channel.pk], at=asked_at)
        request_push([self.channel.pk])
        services.send_due()
        self.assertEqual(self.channel.push_due_at, asked_at)


class OutcomeTest(PushTestCase):
    def push(self) -> None:
        request_push([self.channel.pk])
        services.send_due()

    def test_a_dead_token_is_marked_and_logged_once(self) -> None:
        self.pusher.says(self.channel, Kind.TOKEN_DEAD, "Unregistered", status=410)
        self.push()
        channel = self.channel
        self.assertIsNotNone(channel.push_token_dead_at)
        self.assertEqual((channel.push_due_at, channel.push_error), (None, "Unregistered"))
        (event,) = self.events("push.token_dead")
        self.assertEqual((event.device, event.level), (self.device, Level.WARNING))
        self.push()
        self.assertEqual(len(self.pusher.sent), 1)

    def test_a_token_that_was_replaced_meanwhile_is_alive(self) -> None:
        self.pusher.says(self.channel, Kind.TOKEN_DEAD, "Unregistered")
        self.pusher.meanwhile = lambda: Channel.objects.update(push_token=b"fresh")
        self.push()
        self.assertIsNone(self.channel.push_token_dead_at)
        self.assertEqual(self.events("push.token_dead"), [])

    def test_retries_wait_longer_each_time(self) -> None:
        self.pusher.says(self.channel, Kind.RETRY, "InternalServerError", status=500)
        self.push()
        waits = [self.due_in()]
        for _ in range(3):
            Channel.objects.update(push_due_at=timezone.now())
            services.send_due()
            waits.append(self.due_in())
        for wait, expected in zip(waits, [30, 60, 120, 240], strict=True):
            self.assertAlmostEqual(wait, expected, delta=expected / 10 + 1)
        self.assertEqual((self.channel.push_attempts, self.channel.push_error), (4, "InternalServerError"))

    def test_the_pause_ends_at_an_hour_and_apns_own_wish_is_obeyed_if_it_is_longer(self) -> None:
        self.assertAlmostEqual(services.retry_seconds(50, None), 3600, delta=360)
        self.assertGreaterEqual(services.retry_seconds(0, 7200), 7200)
        self.assertAlmostEqual(services.retry_seconds(3, 1), 240, delta=24)

    def test_after_a_success_the_pauses_begin_anew(self) -> None:
        self.pusher.says(self.channel, Kind.RETRY, "ServiceUnavailable")
        self.push()
        self.pusher.answers.clear()
        self.push()
        self.assertEqual((self.channel.push_attempts, self.channel.push_error), (0, ""))

    def test_a_refused_push_is_given_up_with_its_reason(self) -> None:
        self.pusher.says(self.channel, Kind.REFUSED, "PayloadTooLarge" * 100)
        self.push()
        self.assertIsNone(self.channel.push_due_at)
        self.assertEqual(len(self.channel.push_error), 200)

    def test_a_rejected_certificate_is_an_alert_once_until_it_is_accepted_again(self) -> None:
        self.pusher.says(self.channel, Kind.CERTIFICATE_REJECTED, "BadCertificate", status=403)
        self.push()
        self.push()
        self.certificate.refresh_from_db()
        self.assertEqual(self.certificate.rejected_reason, "BadCertificate")
        self.assertIsNotNone(self.certificate.rejected_at)
        self.assertEqual(self.due_in(), services.REJECTED_RETRY.total_seconds())
        (event,) = self.events("push_certificate.rejected")
        self.assertEqual((event.level, event.account), (Level.ERROR, self.account))
        self.pusher.answers.clear()
        self.push()
        self.certificate.refresh_from_db()
        self.assertEqual((self.certificate.rejected_at, self.certificate.rejected_reason), (None, ""))
        self.pusher.says(self.channel, Kind.CERTIFICATE_REJECTED, "BadCertificate")
        self.push()
        self.assertEqual(len(self.events("push_certificate.rejected")), 2)

    def test_two_workers_that_hear_of_it_at_once_raise_one_alert(self) -> None:
        stale = PushCertificate.objects.get()
        self.pusher.says(self.channel, Kind.CERTIFICATE_REJECTED, "BadCertificate")
        self.push()
        channel = self.channel
        services.record_outcomes(stale, {channel.pk: channel}, [self.pusher.answers[channel.pk]])
        self.assertEqual(len(self.events("push_certificate.rejected")), 1)

    def test_each_of_a_batch_is_treated_by_its_own_outcome(self) -> None:
        dead, later, fine = (make_device(self.account).device_channel for _ in range(3))
        self.pusher.says(dead, Kind.TOKEN_DEAD, "Unregistered")
        self.pusher.says(later, Kind.RETRY, "TooManyRequests", retry_after_seconds=90)
        request_push([dead.pk, later.pk, fine.pk])
        services.send_due()
        for channel in (dead, later, fine):
            channel.refresh_from_db()
        self.assertIsNotNone(dead.push_token_dead_at)
        self.assertTrue(85 < (later.push_due_at - timezone.now()).total_seconds() <= 99)
        self.assertIsNone(fine.push_due_at)
