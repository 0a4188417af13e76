"""Adding, naming, moving and removing devices."""

from devices.models import Device, DeviceGroup
from devices.services import groups
from devices.services.devices import create_device, remove_device, update_device
from devices.services.errors import NotEnrolled, NotPossible
from mdm.accounts.actors import Actor, Source
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.states import State
from mdm.events.models import Event
from mdm.protocol.request_types import NotSupported
from tests.base import AccountTestCase
from tests.factories import make_channel, make_command, make_device, make_group

PERSON = Actor(Source.ADMIN, "owner@example.com")


class DeviceServiceTestCase(AccountTestCase):
    def event_types(self) -> list[str]:
        return list(Event.objects.order_by("pk").values_list("event_type", flat=True))


class CreateAndUpdateTest(DeviceServiceTestCase):
    def test_a_new_device_awaits_its_enrollment_in_the_default_group(self) -> None:
        device = create_device(self.account, name="Jane's Mac", actor=PERSON)
        self.assertEqual((device.state, device.group, device.is_enrolled), ("awaiting_enrollment", self.group, False))
        self.assertEqual(self.event_types(), ["device.created"])

    def test_a_group_may_be_given(self) -> None:
        group = make_group(self.account)
        self.assertEqual(create_device(self.account, name="X", group=group, actor=PERSON).group, group)

    def test_the_operators_name_is_changed_here(self) -> None:
        device = make_device(self.account)
        update_device(device, name="New", actor=PERSON)
        update_device(device, name="New", actor=PERSON)
        device.refresh_from_db()
        self.assertEqual((device.name, self.event_types()), ("New", ["device.updated"]))
        self.assertFalse(Command.objects.exists())

    def test_the_devices_own_name_is_changed_by_a_command(self) -> None:
        device = make_device(self.account)
        own_name = device.device_name
        update_device(device, device_name="Front desk", actor=PERSON)
        command = Command.objects.get()
        self.assertEqual(command.request_type, "Settings")
        self.assertEqual(command.parameters, {"Settings": [{"Item": "DeviceName", "DeviceName": "Front desk"}]})
        device.refresh_from_db()
        self.assertEqual(device.device_name, own_name)

    def test_when_the_command_is_refused_nothing_is_changed(self) -> None:
        awaiting, unsupervised = (
            make_device(self.account, enrolled=False),
            make_device(self.account, is_supervised=False),
        )
        with self.assertRaises(NotEnrolled):
            update_device(awaiting, name="New", device_name="New", actor=PERSON)
        with self.assertRaises(NotSupported):
            update_device(unsupervised, name="New", device_name="New", actor=PERSON)
        self.assertFalse(Device.objects.filter(name="New").exists())
        self.assertEqual((Command.objects.count(), self.event_types()), (0, []))


class RemoveTest(DeviceServiceTestCase):
    def test_it_leaves_every_list_and_is_told_at_its_next_connect(self) -> None:
        device = make_device(self.account, platform="macOS")
        make_channel(device, user_key="JANE")
        make_command(device)
        make_command(device, state=State.SENT)
        with self.captureOnCommitCallbacks() as callbacks:
            remove_device(device, PERSON)
        self.assertFalse(Device.objects.for_account(self.account).exists())
        self.assertEqual(set(Channel.objects.values_list("state", flat=True)), {ChannelState.LEAVING})
        self.assertFalse(Channel.objects.filter(push_due_at=None).exists())
        self.assertEqual(set(Command.objects.values_list("state", flat=True)), {State.CANCELLED})
        self.assertEqual(len(callbacks), 1)
        self.assertEqual(self.event_types()[-2:], ["device.removed", "device.unenrolled"])

    def test_of_two_who_remove_it_at_once_the_second_does_nothing(self) -> None:
        device = make_device(self.account)
        same = Device.objects.get(pk=device.pk)
        remove_device(device, PERSON)
        remove_device(same, PERSON)
        self.assertEqual(self.event_types().count("device.unenrolled"), 1)

    def test_one_that_never_enrolled_is_just_gone(self) -> None:
        remove_device(make_device(self.account, enrolled=False), PERSON)
        self.assertEqual(self.event_types(), ["device.removed"])

    def test_a_line_that_is_closed_stays_closed(self) -> None:
        device = make_device(self.account)
        Channel.objects.update(state=ChannelState.CLOSED)
        remove_device(device, PERSON)
        self.assertEqual(Channel.objects.get().state, ChannelState.CLOSED)

    def test_its_udid_is_free_for_a_new_row(self) -> None:
        device = make_device(self.account)
        remove_device(device, PERSON)
        self.assertEqual(
            Device.objects.create(account=self.account, group=self.group, udid=device.udid).udid, device.udid
        )


class GroupsTest(DeviceServiceTestCase):
    def test_the_default_group_is_made_once(self) -> None:
        self.assertEqual(groups.default_group(self.account), self.group)
        DeviceGroup.objects.filter(account=self.account).delete()
        first = groups.default_group(self.account)
        self.assertEqual((groups.default_group(self.account), first.is_default), (first, True))

    def test_groups_are_made_and_renamed(self) -> None:
        group = groups.create_group(self.account, "Sales", PERSON)
        groups.rename_group(group, "Marketing", PERSON)
        group.refresh_from_db()
        self.assertEqual(group.name, "Marketing")
        self.assertEqual(self.event_types(), ["device_group.created", "device_group.updated"])

    def test_only_devices_that_were_elsewhere_move(self) -> None:
        group = make_group(self.account, "Sales")
        here, there = make_device(self.account, group=group), make_device(self.account)
        self.assertEqual(groups.move_devices([here, there], group, PERSON), 1)
        self.assertEqual(groups.move_devices([here, there], group, PERSON), 0)
        there.refresh_from_db()
        self.assertEqual(there.group, group)
        self.assertEqual([event.device for event in Event.objects.all()], [there])

    def test_moving_many_is_few_statements(self) -> None:
        group = make_group(self.account)
        devices = [make_device(self.account, enrolled=False) for _ in range(30)]
        with self.assertNumQueries(7):
            self.assertEqual(groups.move_devices(devices, group, PERSON), 30)

    def test_the_devices_of_a_deleted_group_move_to_the_default_one(self) -> None:
        group = make_group(self.account, "Sales")
        device, removed = make_device(self.account, group=group), make_device(self.account, group=group)
        remove_device(removed, PERSON)
        groups.delete_group(group, PERSON)
        for one in (device, removed):
            one.refresh_from_db()
            self.assertEqual(one.group, self.group)
        self.assertEqual(self.event_types()[-2:], ["device.changed_group", "device_group.removed"])

    def test_the_default_group_cannot_be_deleted(self) -> None:
        with self.assertRaises(NotPossible):
            groups.delete_group(self.group, PERSON)
        self.assertTrue(DeviceGroup.objects.filter(pk=self.group.pk).exists())
