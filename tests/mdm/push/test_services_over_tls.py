"""Due pushes over real TLS and HTTP/2."""

from unittest.mock import patch

from django.test import override_settings
from django.utils import timezone

from mdm.channels.models import Channel
from mdm.channels.services import request_push
from mdm.events.models import Event
from mdm.push import services, tasks
from mdm.push.apns import Pusher
from mdm.push.models import PushCertificate
from tests.base import AccountTestCase
from tests.factories import make_device
from tests.factories.channels import TOPIC
from tests.fakes.apns import FakeApns
from tests.mdm.push.certificates import make_push_certificate


class RealConnectionTest(AccountTestCase):
    """Over TLS and HTTP/2, to a server that demands the certificate."""

    def setUp(self) -> None:
        super().setUp()
        self.apns = self.enterContext(FakeApns())
        pusher = Pusher()
        self.addCleanup(pusher.close)
        self.enterContext(patch.object(services, "pusher", pusher))
        self.enterContext(override_settings(APNS_URL=self.apns.url, APNS_CA_FILE=self.apns.ca_file))
        self.certificate = make_push_certificate(self.account, self.apns.client_credentials(TOPIC))
        self.devices = [make_device(self.account) for _ in range(12)]
        self.channels = [device.device_channel for device in self.devices]

    def push(self) -> None:
        request_push([channel.pk for channel in self.channels])
        tasks.send_due_pushes()

    def test_every_device_is_woken_over_one_connection(self) -> None:
        self.push()
        expected = {(bytes(channel.push_token).hex(), channel.push_magic) for channel in self.channels}
        self.assertEqual({(push.token, push.payload["mdm"]) for push in self.apns.received}, expected)
        self.assertEqual({push.topic for push in self.apns.received}, {TOPIC})
        self.assertEqual(self.apns.connections, 1)
        self.assertFalse(Channel.objects.exclude(push_due_at=None).exists())

    def test_dead_and_busy_ones_are_told_apart(self) -> None:
        dead, busy = self.channels[0], self.channels[1]
        self.apns.respond(bytes(dead.push_token), 410, "Unregistered", timestamp=1_700_000_000_000)
        self.apns.respond(bytes(busy.push_token), 429, "TooManyRequests", retry_after=600)
        self.push()
        dead.refresh_from_db()
        busy.refresh_from_db()
        self.assertIsNotNone(dead.push_token_dead_at)
        wait = (busy.push_due_at - timezone.now()).total_seconds()
        self.assertTrue(590 < wait <= 660, wait)  # never sooner; a little later, so that not all come at once
        self.assertEqual(Channel.objects.exclude(last_push_at=None).count(), 10)

    def test_a_rejected_certificate_is_an_alert_and_recovers(self) -> None:
        self.apns.reject_certificates = True
        self.push()
        self.certificate.refresh_from_db()
        self.assertIsNotNone(self.certificate.rejected_at)
        self.assertEqual(Event.objects.filter(event_type="push_certificate.rejected").count(), 1)
        self.apns.reject_certificates = False
        self.push()
        self.certificate.refresh_from_db()
        self.assertIsNone(self.certificate.rejected_at)

    def test_an_expired_certificate_is_an_alert_too(self) -> None:
        expired = self.apns.client_credentials(TOPIC, days=-1)
        PushCertificate.objects.update(certificate_pem=expired.certificate_pem.decode())
        self.push()
        self.assertIn("expired", Event.objects.get(event_type="push_certificate.rejected").metadata["reason"])

    def test_without_a_server_the_pushes_wait(self) -> None:
        with override_settings(APNS_URL="https://127.0.0.1:9"):
            self.push()
        self.assertEqual(self.apns.received, [])
        self.assertEqual(Channel.objects.exclude(push_due_at=None).count(), 12)
        self.assertEqual(set(Channel.objects.values_list("push_attempts", flat=True)), {1})
