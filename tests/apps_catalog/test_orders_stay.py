"""What an operator ordered for many devices reaches each of them, whatever else happens to a device meanwhile."""

from datetime import timedelta
from unittest import mock

from django.utils import timezone

from apps_catalog.services import reconcile
from apps_catalog.services.installs import ALL, deploy
from devices.models import BulkOperation, Device, DueDevice, ProfileInstall
from devices.services import due
from devices.services.due import mark_due
from devices.services.operations import cancel
from mdm.accounts.actors import SYSTEM
from mdm.commands.models import Command
from tests.apps_catalog.base import ReconcileTestCase
from tests.factories import make_device
from tests.factories.wanted import assign_profile, make_group_with, make_store_app, make_stored_profile


class OrdersTest(ReconcileTestCase):
    def setUp(self):
        super().setUp()
        self.enterContext(mock.patch.object(due, "MANY", 1))
        self.devices = [make_device(self.account) for _ in range(3)]
        self.apps = [make_store_app(self.account) for _ in range(2)]
        make_group_with(self.account, *self.devices, apps=tuple(self.apps), auto_deploy=False)

    def sent(self):
        return sorted(
            Command.objects.filter(request_type="InstallApplication").values_list("channel__device", "parameters__app")
        )

    def test_a_change_for_one_device_leaves_the_order_of_the_running_operation(self):
        deploy(self.apps[0], ALL, actor=SYSTEM)
        mark_due(Device.objects.filter(pk=self.devices[0].pk))  # e.g. its DeviceInformation changed
        self.reconcile_marked()
        self.assertEqual(self.sent(), sorted((d.pk, self.apps[0].pk) for d in self.devices))

    def test_a_second_order_leaves_the_first(self):
        for app in self.apps:
            deploy(app, ALL, actor=SYSTEM)
        self.reconcile_marked()
        self.assertEqual(self.sent(), sorted((d.pk, app.pk) for d in self.devices for app in self.apps))

    def test_a_device_that_breaks_once_gets_what_was_ordered_later(self):
        deploy(self.apps[0], ALL, actor=SYSTEM)
        plan, broken = reconcile.plan_apps, []

        def plan_apps(devices, *rest, **options):
            if self.devices[0].pk in [d.pk for d in devices] and len(broken) < 2:
                broken.append(True)
                raise RuntimeError
            return plan(devices, *rest, **options)

        with mock.patch.object(reconcile, "plan_apps", plan_apps), self.assertLogs("pomona.reconcile"):
            self.reconcile_marked()
        DueDevice.objects.update(due_at=timezone.now())
        self.reconcile_marked()
        self.assertEqual(self.sent(), sorted((d.pk, self.apps[0].pk) for d in self.devices))


class HeldBackTest(ReconcileTestCase):
    def test_a_retry_comes_although_another_change_is_held_back(self):
        device, other = make_device(self.account), make_device(self.account)
        profile = make_stored_profile(self.account)
        assign_profile(profile, device)
        self.reconcile(device)
        command = Command.objects.get()
        with mock.patch.object(due, "MANY", 1):
            mark_due(Device.objects.filter(pk__in=[device.pk, other.pk]), why="Assign something else")
        cancel(BulkOperation.objects.get(), SYSTEM)
        self.refuse(command, "Busy.")
        ProfileInstall.objects.update(retry_at=timezone.now() - timedelta(seconds=1))
        DueDevice.objects.filter(operation=None).update(due_at=timezone.now())
        self.reconcile_marked()
        self.assertEqual(Command.objects.filter(state="queued", request_type="InstallProfile").count(), 1)
