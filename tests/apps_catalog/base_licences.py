"""A location of Apps and Books, played by a local server, and devices that should have an app of it."""

from datetime import timedelta
from unittest.mock import patch

from django.test import override_settings
from django.utils import timezone

from apps_catalog.models import App, AppInstall, ContentToken, LicenceAssignment, LicenceRequest
from apps_catalog.services.licence_tokens import add_token
from apps_catalog.services.reconcile import reconcile_due
from apps_catalog.services.vpp_work import manage_due
from devices.models import Device
from mdm.accounts.actors import SYSTEM
from mdm.commands.models import Command
from tests.apps_catalog.base import ReconcileTestCase
from tests.factories import make_device
from tests.factories.wanted import make_group_with, make_store_app
from tests.fakes.app_store import FakeAppStore
from tests.fakes.vpp import FakeVpp


class LicenceTestCase(ReconcileTestCase):
    """vpp: the location's server, with five licences of `app`. Nothing is assigned yet."""

    def setUp(self):
        super().setUp()
        self.vpp = self.enterContext(FakeVpp())
        self.store = self.enterContext(FakeAppStore())
        self.enterContext(override_settings(VPP_URL=self.vpp.url, APP_STORE_URL=self.store.url))
        self.app = make_store_app(self.account)
        self.vpp.buy(self.app.itunes_store_id, 5)

    def connect(self) -> ContentToken:
        """Add the content token and let a worker sync it."""
        self.token = add_token(self.account, self.vpp.token_file(), actor=SYSTEM)
        self.work()
        return self.token

    def work(self, times: int = 1) -> None:
        """Workers' turns, each with whatever waits for later being due."""
        for _ in range(times):
            self.make_due()
            manage_due()
            reconcile_due()
        token = ContentToken.objects.filter(pk=self.token.pk).first()
        self.token = token or self.token

    def make_due(self) -> None:
        now = timezone.now()
        LicenceRequest.objects.update(due_at=now)
        LicenceAssignment.objects.exclude(due_at=None).update(due_at=now)
        ContentToken.objects.update(paused_until=None)

    def sync(self) -> None:
        ContentToken.objects.update(sync_due_at=timezone.now())
        self.work()

    def long_after(self) -> None:
        """The counts are old by now."""
        ContentToken.objects.update(counted_at=timezone.now() - timedelta(hours=1))

    def assign(self, *devices: Device, app: App | None = None) -> None:
        self.group_of_app = make_group_with(self.account, *devices, apps=(app or self.app,))
        self.reconcile(*devices)

    def device(self, **fields: object) -> Device:
        return make_device(self.account, **fields)

    def install(self, device: Device, app: App | None = None) -> AppInstall:
        return AppInstall.objects.get(device=device, app=app or self.app)

    def orders(self, device: Device) -> int:
        return Command.objects.filter(channel__device=device, request_type="InstallApplication").count()

    def licences(self) -> dict[str, str]:
        """Serial number → state, of the app."""
        rows = LicenceAssignment.objects.filter(asset__adam_id=self.app.itunes_store_id)
        return dict(rows.values_list("serial_number", "state"))

    def without_pauses(self) -> None:
        self.enterContext(patch("apps_catalog.services.vpp_work.pause_seconds", return_value=0.0))
