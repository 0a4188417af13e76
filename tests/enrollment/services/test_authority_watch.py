from datetime import timedelta

from cryptography.hazmat.primitives.serialization import Encoding
from django.utils import timezone

from enrollment.models import TrustedAuthority
from enrollment.services.trust import trust_authority
from enrollment.tasks import watch_trusted_authorities
from mdm.accounts.actors import SYSTEM
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.enrollment.services.test_trust import make_ca


class WarnExpiringTest(AccountTestCase):
    def lines(self) -> list[Event]:
        return list(Event.objects.filter(event_type="trusted_authority.expiring").order_by("pk"))

    def test_each_mark_is_told_once(self):
        trusted = trust_authority(self.account, make_ca().public_bytes(Encoding.PEM), "Their CA", SYSTEM)
        watch_trusted_authorities()
        self.assertEqual(self.lines(), [])
        for days, mark in ((20, 30), (5, 7)):
            TrustedAuthority.objects.update(not_after=timezone.now() + timedelta(days=days, hours=1))
            self.assertEqual([watch_trusted_authorities(), watch_trusted_authorities()], [1, 0])
            line = self.lines()[-1]
            self.assertEqual((line.account, line.metadata["mark_days"]), (self.account, mark))
            self.assertEqual((line.metadata["days_left"], line.metadata["subject"]), (days, "Their CA"))
            self.assertEqual(line.metadata["trusted_authority_id"], trusted.pk)
