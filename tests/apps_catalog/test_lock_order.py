"""What happens to a device while it is brought to what it should have: nobody waits for each other for ever.

Everybody locks attributes, then devices in the order of their keys, then what belongs to them, channels last.
"""

import threading
from collections.abc import Callable
from unittest.mock import patch

from django.db import connection, transaction
from django.test import TransactionTestCase, skipUnlessDBFeature
from django.utils import timezone

from apps_catalog.models import AppAssignment, AppInstall
from apps_catalog.services import installs, lookups, reconcile
from apps_catalog.store_lookup import StoreApp
from devices.models import AttributeValue, CustomAttribute, Device, DeviceState, ItemState, ProfileInstall
from devices.services.devices import remove_device, update_device
from devices.services.due import mark_due
from devices.services.erasing import wipe
from enrollment.services import leaving, lifecycle
from mdm.accounts.actors import SYSTEM
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.protocol.checkin import CheckOut, TokenUpdate
from mdm.protocol.ids import ChannelKey
from tests.factories import make_account, make_device
from tests.factories.due import mark
from tests.factories.wanted import add_version, assign_profile, make_group_with, make_store_app, make_stored_profile

MOMENT = 0.5  # long enough to come to where it has to wait


class LockTestCase(TransactionTestCase):
    def setUp(self) -> None:
        self.account = make_account()
        self.device = make_device(self.account)

    def at_once(self, function: Callable[[], object]) -> threading.Thread:
        """Begin it in another connection, and wait a moment; what it raises fails the test when it is joined."""
        self.faults: list[Exception] = []

        def run() -> None:
            try:
                function()
            except Exception as fault:
                self.faults.append(fault)
            finally:
                connection.close()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(MOMENT)
        return thread

    def finish(self, thread: threading.Thread) -> None:
        thread.join(20)
        self.assertFalse(thread.is_alive())
        self.assertEqual(self.faults, [])


@skipUnlessDBFeature("has_select_for_update")
class WhileReconcilingTest(LockTestCase):
    def reconcile_and(self, function: Callable[[], object], before: str = "plan_profiles") -> None:
        """The function begins when the devices are locked; both get through."""
        threads: list[threading.Thread] = []
        step = getattr(reconcile, before)

        def stepped(*arguments: object, **options: object) -> object:
            if not threads:  # what the function marks is reconciled here too
                threads.append(self.at_once(function))
            return step(*arguments, **options)

        mark(*Device.objects.all())
        with patch.object(reconcile, before, stepped):
            reconcile.reconcile_due()
        self.finish(threads[0])

    def assign(self) -> None:
        assign_profile(make_stored_profile(self.account), self.device)

    def channel(self) -> Channel:
        return Channel.objects.get(device=self.device)

    def key(self) -> ChannelKey:
        return ChannelKey(self.device.udid)

    def test_a_new_push_token_comes(self) -> None:
        self.assign()
        message = TokenUpdate(
            self.key(), topic="com.apple.mgmt.test", token=b"new", push_magic="magic", unlock_token=None
        )
        self.reconcile_and(lambda: lifecycle.token_updated(self.channel(), message))
        self.assertEqual(bytes(self.channel().push_token), b"new")
        self.assertEqual(Command.objects.get().request_type, "InstallProfile")

    def test_the_device_checks_out(self) -> None:
        self.assign()
        self.reconcile_and(lambda: leaving.checked_out(self.channel(), CheckOut(self.key(), topic="")))
        self.device.refresh_from_db()
        self.assertEqual(self.device.state, DeviceState.UNENROLLED)
        self.assertEqual(Command.objects.get().state, State.CANCELLED)

    def test_the_device_is_removed(self) -> None:
        self.assign()
        self.reconcile_and(lambda: remove_device(Device.objects.get(), SYSTEM))
        self.assertEqual(Command.objects.get().state, State.CANCELLED)

    def test_the_device_is_renamed_here_and_there(self) -> None:
        self.assign()
        self.reconcile_and(lambda: update_device(Device.objects.get(), name="New", device_name="New", actor=SYSTEM))
        self.assertEqual(Device.objects.get().name, "New")

    def test_the_device_is_wiped_with_its_attributes(self) -> None:
        self.assign()
        attribute = CustomAttribute.objects.create(account=self.account, name="room")
        AttributeValue.objects.create(account=self.account, attribute=attribute, device=self.device, plain="5")
        self.reconcile_and(lambda: wipe(Device.objects.get(), actor=SYSTEM, clear_custom_attributes=True))
        self.assertFalse(AttributeValue.objects.exists())

    def test_profiles_are_synced(self) -> None:
        profile = make_stored_profile(self.account)
        group = make_group_with(self.account, self.device)
        assign_profile(profile, group)
        mark(*Device.objects.all())
        reconcile.reconcile_due()
        add_version(profile, 2)
        self.reconcile_and(lambda: installs.sync_profiles(group, actor=SYSTEM))
        self.assertEqual(ProfileInstall.objects.get().state, ItemState.PUSHED)

    def test_the_app_store_tells_of_an_app(self) -> None:
        app = make_store_app(self.account, lookup_due_at=timezone.now())
        make_group_with(self.account, self.device, apps=(app,))
        found = StoreApp(app.itunes_store_id, app.bundle_identifier, "Rooms", "3.0", "iOS", "")
        self.reconcile_and(lambda: lookups.fill_in(app, found))
        app.refresh_from_db()
        self.assertEqual((app.name, AppInstall.objects.count()), (app.name, 1))
        self.assertEqual(app.processing_status, "processed")

    def test_a_command_that_is_taken_back_is_handed_out(self) -> None:
        make_group_with(self.account, self.device, apps=(make_store_app(self.account),))
        mark(*Device.objects.all())
        reconcile.reconcile_due()
        AppAssignment.objects.all().delete()
        self.assign()

        def connect() -> None:
            with transaction.atomic():
                Command.objects.filter(request_type="InstallApplication").update(state=State.SENT)
                Channel.objects.update(last_seen_at=timezone.now())

        self.reconcile_and(connect, before="plan_apps")
        self.assertEqual(
            list(Command.objects.order_by("pk").values_list("request_type", "state")),
            [("InstallApplication", "sent"), ("InstallProfile", "queued"), ("RemoveApplication", "queued")],
        )


@skipUnlessDBFeature("has_select_for_update")
class OrderOfDevicesTest(LockTestCase):
    def test_marked_devices_are_locked_in_the_order_of_their_keys_wherever_they_lie(self) -> None:
        second, counts = make_device(self.account), []

        def mark() -> None:
            with connection.cursor() as cursor:  # as the planner would do for many devices
                cursor.execute("SET enable_indexscan = off; SET enable_bitmapscan = off")
            counts.append(mark_due(Device.objects.all()))

        Device.objects.filter(pk=self.device.pk).update(name="Now behind the second")
        with transaction.atomic():
            rows = Device.objects.select_for_update(no_key=True)
            rows.get(pk=self.device.pk)
            thread = self.at_once(mark)
            rows.get(pk=second.pk)
        self.finish(thread)
        self.assertEqual(counts, [2])
