"""Warnings before push and vendor certificates end."""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from django.test import override_settings
from django.urls import reverse
from django.utils import timezone

from mdm.accounts.models import Account, Role
from mdm.events.models import Event, Level
from mdm.push.expiry import warn_expiring
from mdm.push.models import PushCertificate, VendorCertificate
from mdm.push.tasks import watch_certificates
from mdm.push.vendor import store_vendor_certificate
from tests.admin.base import AdminTestCase
from tests.base import AccountTestCase
from tests.factories.channels import TOPIC
from tests.fakes.vendor import Vendor
from tests.mdm.push.certificates import make_push_certificate


def travel_to(test: AccountTestCase, moment: datetime) -> None:
    patcher = patch.object(timezone, "now", return_value=moment)
    patcher.start()
    test.addCleanup(patcher.stop)


def warned(account: Account, of: str = "push") -> list[tuple[int, int]]:
    events = Event.objects.for_account(account).filter(event_type=f"{of}_certificate.expiring").order_by("pk")
    return [(event.metadata["mark_days"], event.level) for event in events]


STEPS = ((20, [30]), (14, [30, 14]), (6, [30, 14, 7]), (0.5, [30, 14, 7, 1]), (-3, [30, 14, 7, 1]))
LEVELS = [Level.WARNING] * 2 + [Level.ERROR] * 2


class PushCertificateTest(AccountTestCase):
    def expires_in(self, days: float) -> None:
        at = timezone.now() + timedelta(days=days)
        PushCertificate.objects.update_or_create(
            account=self.account,
            defaults={"topic": TOPIC, "certificate_pem": "x", "not_before": at - timedelta(days=365), "not_after": at},
        )

    def test_far_from_its_end_nothing_is_said(self) -> None:
        self.expires_in(31)
        self.assertEqual((warn_expiring(), warned(self.account)), (0, []))

    def test_each_mark_is_one_warning_however_often_it_runs(self) -> None:
        self.expires_in(29.5)
        self.assertEqual([watch_certificates(), warn_expiring(), warn_expiring()], [1, 0, 0])
        at = PushCertificate.objects.get().not_after
        for days, marks in STEPS:
            with self.subTest(days):
                travel_to(self, at - timedelta(days=days))
                warn_expiring()
                warn_expiring()
                self.assertEqual([mark for mark, _ in warned(self.account)], marks)
        self.assertEqual([level for _, level in warned(self.account)], LEVELS)

    def test_a_renewed_certificate_is_warned_of_anew(self) -> None:
        self.expires_in(5)
        warn_expiring()
        self.expires_in(400)
        self.assertEqual(warn_expiring(), 0)
        self.expires_in(6)
        self.assertEqual(warn_expiring(), 1)

    def test_the_line_names_the_topic_and_the_end(self) -> None:
        self.expires_in(6.5)
        warn_expiring()
        told = Event.objects.get(event_type="push_certificate.expiring").metadata
        self.assertEqual((told["subject"], told["days_left"], told["mark_days"]), (TOPIC, 6, 7))


class VendorCertificateTest(AdminTestCase):
    def home(self) -> str:
        """What the home page says needs attention."""
        alerts = self.people[Role.READ_ONLY].get(reverse("admin:index")).context["alerts"]
        return " ".join(f"{alert.title}. {alert.text}" for alert in alerts)

    def test_that_of_the_account_is_watched_like_the_push_certificate(self) -> None:
        vendor = store_vendor_certificate(self.account, [Vendor(days=40).bundle()])
        self.assertEqual(warn_expiring(), 0)
        self.assertNotIn("vendor certificate", self.home())
        for days, marks in STEPS:
            with self.subTest(days):
                travel_to(self, vendor.not_after - timedelta(days=days))
                warn_expiring()
                warn_expiring()
                self.assertEqual([mark for mark, _ in warned(self.account, "vendor")], marks)
        self.assertEqual([level for _, level in warned(self.account, "vendor")], LEVELS)
        self.assertEqual(warned(self.other_account, "vendor"), [])

    def test_a_new_one_is_warned_of_anew(self) -> None:
        store_vendor_certificate(self.account, [Vendor(days=5).bundle()])
        self.assertEqual([warn_expiring(), warn_expiring()], [1, 0])
        store_vendor_certificate(self.account, [Vendor(days=6).bundle()])
        self.assertEqual([warn_expiring(), warn_expiring()], [1, 0])

    def test_the_home_page_says_it_until_it_is_renewed(self) -> None:
        vendor = store_vendor_certificate(self.account, [Vendor(days=40).bundle()])
        for days, words in ((10.1, "expires in 10 days"), (1.1, "expires in 1 day"), (0.5, "in less than a day")):
            VendorCertificate.objects.update(not_after=timezone.now() + timedelta(days=days))
            self.assertIn(words, self.home())
        VendorCertificate.objects.update(not_after=timezone.now() - timedelta(days=1))
        self.assertIn("cannot sign", self.home())
        vendor.delete()
        self.assertNotIn("vendor certificate", self.home())

    def test_that_of_the_server_concerns_accounts_that_have_none_and_something_to_renew(self) -> None:
        store_vendor_certificate(self.other_account, [Vendor(days=90).bundle()])
        make_push_certificate(self.account)
        make_push_certificate(self.other_account)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "vendor.pem")
            path.write_bytes(Vendor(days=12).bundle())
            with override_settings(PUSH_VENDOR_CERTIFICATE=str(path)):
                self.assertEqual([warn_expiring(), warn_expiring()], [1, 0])
                self.assertIn("vendor certificate of this server expires", self.home())
                path.write_bytes(b"nothing")
                self.assertEqual(warn_expiring(), 0)
            with override_settings(PUSH_VENDOR_CERTIFICATE=str(path) + "-missing"):
                self.assertEqual(warn_expiring(), 0)
                self.assertIn("cannot be read", self.home())
        self.assertEqual(warned(self.account, "vendor"), [(14, Level.WARNING)])
        self.assertEqual(warned(self.other_account, "vendor"), [])
