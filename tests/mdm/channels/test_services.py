"""What changes on a device's line to us."""

from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from mdm.channels import services
from mdm.channels.models import Channel, ChannelState
from tests.base import AccountTestCase
from tests.factories import make_channel, make_device


class ChannelServicesTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account, platform="macOS")
        self.channel = self.device.device_channel
        self.user = make_channel(self.device, user_key="JANE", fingerprint=self.channel.fingerprint)

    def fresh(self, channel: Channel) -> Channel:
        return Channel.objects.get(pk=channel.pk)

    def test_a_certificate_speaks_for_the_device_and_all_its_users(self) -> None:
        services.bind_identity(self.channel, "a" * 64)
        self.assertEqual({self.fresh(one).fingerprint for one in (self.channel, self.user)}, {"a" * 64})

    def test_who_was_bound_to_the_certificate_before_is_not_any_more(self) -> None:
        other = make_device(self.account).device_channel
        services.bind_identity(self.channel, other.fingerprint)
        self.assertEqual(self.fresh(other).fingerprint, "")
        self.assertEqual(self.fresh(self.user).fingerprint, other.fingerprint)

    def test_the_same_device_key_in_another_account_is_another_device(self) -> None:
        other = make_device(self.other_account, udid=self.device.udid).device_channel
        services.bind_identity(self.channel, "b" * 64)
        self.assertNotEqual(self.fresh(other).fingerprint, "b" * 64)

    def test_an_unbound_certificate_speaks_for_nobody(self) -> None:
        self.assertEqual(services.unbind_identity(self.channel.fingerprint), 2)
        self.assertEqual(services.unbind_identity("c" * 64), 0)
        self.assertEqual(self.fresh(self.user).fingerprint, "")

    def test_closing_ends_pushes_and_is_done_once(self) -> None:
        services.request_push([self.channel.pk])
        self.assertEqual(services.close(Q(device=self.device)), 2)
        channel = self.fresh(self.channel)
        self.assertEqual((channel.state, channel.push_due_at), (ChannelState.CLOSED, None))
        self.assertIsNotNone(channel.closed_at)
        self.assertEqual(services.close(Q(device=self.device)), 0)

    def test_a_token_brings_a_dead_line_back_to_life(self) -> None:
        Channel.objects.update(push_token_dead_at=timezone.now(), push_error="Unregistered")
        channel = self.fresh(self.channel)
        columns = services.take_token(channel, topic="t", token=b"new", push_magic="m", unlock_token=None)
        channel.save(update_fields=columns)
        channel = self.fresh(channel)
        self.assertTrue(channel.can_be_pushed)
        self.assertEqual((bytes(channel.push_token), channel.push_magic, channel.topic), (b"new", "m", "t"))
        self.assertIsNotNone(channel.token_updated_at)

    def test_what_a_token_update_leaves_out_stays(self) -> None:
        channel = self.fresh(self.channel)
        before = (channel.topic, channel.push_token, channel.push_magic)
        columns = services.take_token(channel, topic="", token=b"", push_magic="", unlock_token=None)
        channel.save(update_fields=columns)
        channel = self.fresh(channel)
        self.assertEqual((channel.topic, bytes(channel.push_token), channel.push_magic), before)
        self.assertNotIn("unlock_token", columns)

    def test_many_channels_are_marked_in_pieces(self) -> None:
        pks = [self.channel.pk, self.user.pk, *range(10**6, 10**6 + 40_000)]
        self.assertEqual(services.request_push(pks), 2)

    def test_a_push_may_be_asked_for_later(self) -> None:
        at = timezone.now() + timedelta(minutes=5)
        services.request_push([self.channel.pk], at=at)
        self.assertEqual(self.fresh(self.channel).push_due_at, at)
        self.assertIsNone(self.fresh(self.user).push_due_at)

    def test_a_line_is_shown_without_its_secrets(self) -> None:
        self.user.user_short_name, self.user.unlock_token = "jane", b"secret"
        self.assertEqual(str(self.user), f"{self.device.udid} jane")
        self.assertEqual(str(self.channel), self.device.udid)
        self.assertNotIn("secret", repr(self.user))
