"""Devices that Apple lists await their enrollment here: made, linked, moved, and gone again."""

from datetime import timedelta

from django.utils import timezone

from devices.models import Device, DeviceState
from devices.services.devices import remove_device
from devices.services.errors import NotPossible
from devices.services.groups import delete_group, move_devices
from enrollment.models import DepDevice, DepSettings
from enrollment.services.dep_assign import assign_due
from enrollment.services.dep_settings import remove_settings, update_settings
from enrollment.services.links import link_for_device
from mdm.accounts.actors import SYSTEM
from mdm.channels.models import Channel
from tests.enrollment.dep_base import TOKEN, DepCase, facts
from tests.factories import make_account, make_dep_server, make_dep_settings, make_device, make_group


class MadeTest(DepCase):
    def device(self, serial: str) -> Device:
        return Device.objects.get(serial_number=serial, account=self.account, removed_at=None)

    def test_a_listed_device_awaits_its_enrollment(self) -> None:
        (name,) = self.dep.assign(1, model="iPad Air", os="iPadOS", device_family="iPad")
        self.sync()
        device = self.device(name)
        self.assertEqual((device.state, device.name, device.group), (DeviceState.AWAITING, name, self.group))
        self.assertEqual((device.platform, device.model_name), ("iOS", "iPad Air"))
        listed = DepDevice.objects.get()
        self.assertEqual((listed.device, listed.made_device), (device, True))
        self.assertEqual(facts("device.created")[0]["name"], name)

    def test_its_platform_is_told_by_what_apple_says(self) -> None:
        for os, family, model, platform in (
            ("iOS", "iPhone", "iPhone 15", "iOS"),
            ("OSX", "Mac", "MacBook Air", "macOS"),
            ("", "Mac", "Mac mini", "macOS"),
            ("tvOS", "AppleTV", "Apple TV 4K", "tvOS"),
            ("visionOS", "Vision", "Apple Vision Pro", "visionOS"),
            ("", "Vision", "", "visionOS"),
            ("", "", "iPad Pro", "iOS"),
            ("", "", "Something new", ""),
        ):
            (name,) = self.dep.assign(1, os=os, device_family=family, model=model)
            self.sync()
            self.assertEqual(self.device(name).platform, platform, (os, family, model))

    def test_it_joins_the_group_of_the_settings(self) -> None:
        group = make_group(self.account, "Phones")
        make_dep_settings(self.server, device_group=group)
        (name,) = self.dep.assign(1)
        self.sync()
        self.assertEqual(self.device(name).group, group)

    def test_a_known_device_is_only_linked(self) -> None:
        names = self.dep.assign(2)
        known = make_device(self.account, serial_number=names[0], name="Reception")
        make_device(make_account(), serial_number=names[1])
        self.sync()
        self.assertEqual(Device.objects.filter(account=self.account).count(), 2)
        listed = DepDevice.objects.get(serial_number=names[0])
        self.assertEqual((listed.device, listed.made_device), (known, False))
        self.assertEqual(self.device(names[0]).name, "Reception")

    def test_a_sync_again_makes_nothing_twice(self) -> None:
        self.dep.assign(3)
        self.sync()
        self.dep.expire_cursors()
        self.sync()
        self.assertEqual(Device.objects.count(), 3)

    def test_one_that_somebody_removed_here_appears_again_as_apple_lists_it(self) -> None:
        (name,) = self.dep.assign(1)
        self.sync()
        former = self.device(name)
        remove_device(former, SYSTEM)
        self.sync()
        self.assertNotEqual(self.device(name), former)
        self.assertEqual(self.device(name).state, DeviceState.AWAITING)

    def test_two_servers_that_list_it_share_its_row(self) -> None:
        (name,) = self.dep.assign(1)
        other = make_dep_server(make_account(), **TOKEN, sync_due_at=timezone.now())
        self.sync()
        self.assertEqual(Device.objects.filter(account=other.account).count(), 1)
        self.assertEqual(Device.objects.filter(account=self.account).count(), 1)

    def test_when_it_comes_another_way_the_row_that_awaited_it_goes(self) -> None:
        (name,) = self.dep.assign(1)
        self.sync()
        came = make_device(self.account, serial_number=name, state=DeviceState.ENROLLED)
        self.sync()
        self.assertEqual(self.device(name), came)
        self.assertFalse(DepDevice.objects.get().made_device)


class GoneTest(DepCase):
    def setUp(self) -> None:
        super().setUp()
        self.names = self.dep.assign(3)
        self.sync()
        self.device = Device.objects.get(serial_number=self.names[0])

    def released(self) -> bool:
        """Apple lists it no more; whether its row went with it."""
        self.dep.release(self.names[0])
        self.sync()
        return not Device.objects.filter(serial_number=self.names[0]).exists()

    def test_the_row_goes_with_the_listing(self) -> None:
        link_for_device(self.device, SYSTEM)
        self.assertTrue(self.released())
        self.assertEqual(Device.objects.count(), 2)
        self.assertEqual(facts("device.removed"), [{"name": self.names[0]}])

    def test_also_after_the_whole_list_was_read(self) -> None:
        self.dep.expire_cursors()
        self.assertTrue(self.released())

    def test_an_enrolled_device_stays(self) -> None:
        Device.objects.update(state=DeviceState.ENROLLED, enrolled_at=timezone.now())
        self.assertFalse(self.released())

    def test_one_that_left_management_stays(self) -> None:
        Device.objects.update(state=DeviceState.UNENROLLED, enrolled_at=timezone.now())
        self.assertFalse(self.released())

    def test_one_that_enrolls_at_this_moment_stays(self) -> None:
        Channel.objects.create(account=self.account, device=self.device, device_key="UDID", topic="t")
        self.assertFalse(self.released())

    def test_one_that_was_there_before_stays(self) -> None:
        DepDevice.objects.update(made_device=False)
        self.assertFalse(self.released())

    def test_one_that_another_server_of_the_account_lists_now_stays(self) -> None:
        other = make_dep_server(self.account)
        listed = DepDevice.objects.create(
            account=self.account, server=other, serial_number=self.names[0], device=self.device
        )
        self.assertFalse(self.released())
        listed.refresh_from_db()
        self.assertTrue(listed.made_device)


class GroupTest(DepCase):
    def setUp(self) -> None:
        super().setUp()
        self.names = self.dep.assign(3)
        self.first = make_group(self.account, "First")
        self.second = make_group(self.account, "Second")
        make_dep_settings(self.server, device_group=self.first)
        self.sync()

    def groups(self) -> list[str]:
        return list(
            Device.objects.filter(serial_number__in=self.names).order_by("pk").values_list("group__name", flat=True)
        )

    def test_those_that_still_wait_follow_to_another_group(self) -> None:
        devices = list(Device.objects.filter(serial_number__in=self.names).order_by("pk"))
        Device.objects.filter(pk=devices[0].pk).update(state=DeviceState.ENROLLED, enrolled_at=timezone.now())
        move_devices(devices[1:2], self.group, SYSTEM)  # by hand, so it stays
        with self.captureOnCommitCallbacks(execute=True):
            update_settings(self.server, actor=SYSTEM, device_group=self.second)
        self.assertEqual(self.groups(), ["First", self.group.name, "Second"])
        self.assertEqual(facts("device.changed_group")[-1]["device_group"], "Second")
        self.assertEqual(DepSettings.objects.get().left_groups, [])

    def test_changed_twice_before_a_worker_came(self) -> None:
        update_settings(self.server, actor=SYSTEM, device_group=self.second)
        update_settings(self.server, actor=SYSTEM, device_group=self.group)
        assign_due()
        self.assertEqual(self.groups(), [self.group.name] * 3)

    def test_a_device_that_was_not_made_for_the_list_stays(self) -> None:
        DepDevice.objects.update(made_device=False)
        update_settings(self.server, actor=SYSTEM, device_group=self.second)
        assign_due()
        self.assertEqual(self.groups(), ["First"] * 3)

    def test_a_group_that_the_settings_name_cannot_be_deleted(self) -> None:
        with self.assertRaisesMessage(NotPossible, "enrollment settings of a DEP server"):
            delete_group(self.first, SYSTEM)
        self.assertEqual(self.groups(), ["First"] * 3)
        self.assertEqual(facts("device_group.removed"), [])
        remove_settings(DepSettings.objects.get(), SYSTEM)
        assign_due()
        delete_group(self.first, SYSTEM)
        self.assertEqual(self.groups(), [self.group.name] * 3)


class LateTest(DepCase):
    def test_rows_of_an_older_version_get_their_devices_with_the_next_sync(self) -> None:
        names = self.dep.assign(2)
        self.sync()
        Device.objects.all().delete()
        DepDevice.objects.update(made_device=False, seen_at=timezone.now() - timedelta(days=9))
        self.sync()
        self.assertEqual(set(Device.objects.values_list("serial_number", flat=True)), set(names))
