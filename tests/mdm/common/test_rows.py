"""Rows read and written without the ORM's SQL: the same as with it."""

from django.test import TestCase
from django.utils import timezone

from devices.models import Device
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.common import rows
from tests.factories import make_device


class RowsTest(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(information={"Nested": {"list": [1, None, "ü"]}})
        self.channel = self.device.device_channel

    def test_what_is_inserted_reads_back_the_same(self) -> None:
        commands = [
            Command(
                account=self.device.account,
                channel=self.channel,
                request_type="DeviceLock",
                parameters={"Message": f"number {number}"},
                secrets={"/PIN": "123456"},
                expires_at=timezone.now(),
            )
            for number in range(3)
        ]
        rows.insert(*commands)
        for command in commands:
            stored = Command.objects.get(pk=command.pk)
            for field in Command._meta.concrete_fields:
                self.assertEqual(getattr(stored, field.attname), getattr(command, field.attname), field.name)
        self.assertEqual([command.pk for command in commands], sorted(command.pk for command in commands))

    def test_an_inserted_row_can_be_saved_again(self) -> None:
        device = Device(account=self.device.account, group=self.device.group, name="New")
        rows.insert(device)
        device.name = "Renamed"
        device.save()
        self.assertEqual(Device.objects.get(pk=device.pk).name, "Renamed")

    def test_an_update_writes_the_named_columns_of_that_row_only(self) -> None:
        other = make_device(self.device.account)
        self.device.name, self.device.imei = "Changed", "not written"
        self.device.information = {"a": [True]}
        rows.update(self.device, ["name", "information"])
        stored = Device.objects.get(pk=self.device.pk)
        self.assertEqual((stored.name, stored.imei, stored.information), ("Changed", "", {"a": [True]}))
        self.assertNotEqual(Device.objects.get(pk=other.pk).name, "Changed")

    def test_secrets_are_sealed_on_the_way_in_and_opened_on_the_way_out(self) -> None:
        self.channel.unlock_token = b"open sesame"
        rows.update(self.channel, ["unlock_token"])
        raw = Channel.objects.filter(pk=self.channel.pk).values_list("unlock_token", flat=True).get()
        self.assertNotIn(b"sesame", bytes(raw))
        (found,) = rows.select(Channel, "id = %s", self.channel.pk, lock=True)
        self.assertEqual(found.unlock_token, b"open sesame")

    def test_a_selected_row_is_that_of_the_orm(self) -> None:
        (found,) = rows.select(Device, "udid = %s AND removed_at IS NULL", self.device.udid)
        expected = Device.objects.get(pk=self.device.pk)
        for field in Device._meta.concrete_fields:
            self.assertEqual(getattr(found, field.attname), getattr(expected, field.attname), field.name)
        self.assertEqual(rows.select(Device, "udid = %s", "nobody's"), [])
