"""Many rows at a time: they read back as if the ORM had written them, on either database."""

from datetime import timedelta
from unittest import mock

from django.db import IntegrityError, connection, transaction
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps_catalog.models import AppInstall
from devices.models import Device, DueDevice, ProfileInstall
from mdm.commands.models import Command
from mdm.common import many_rows
from mdm.common.many_rows import insert_many, update_many
from tests.factories import make_app_install, make_device, make_operation, make_profile
from tests.factories.profiles import make_profile_install
from tests.factories.wanted import make_store_app

TEXT = 'quote \' backslash \\ braces {a,"b"} comma, NULL ü 🍎\nline'
JSON = {"list": [1, 2.5, None, True, {"deep": TEXT}], "empty": {}, TEXT: "key"}


def fields_of(row) -> dict[str, object]:
    """Without those that the database makes by itself: a row in memory has what they were when it was read."""
    own = (field for field in row._meta.concrete_fields if not field.primary_key and not field.generated)
    return {field.attname: getattr(row, field.attname) for field in own}


class InsertManyTest(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device()
        self.channel = self.device.device_channel

    def command(self, n: int, **fields: object) -> Command:
        values = {"request_type": "DeviceLock", "command_uuid": f"uuid-{n}", "parameters": {"n": n}}
        return Command(account=self.device.account, channel=self.channel, **(values | fields))

    def test_what_is_inserted_reads_back_the_same(self) -> None:
        commands = [
            self.command(0),
            self.command(1, parameters=JSON, secrets={"/PIN": TEXT}, expires_at=timezone.now()),
            self.command(2, actor_label=TEXT, result=bytes(range(256)), status=""),
            self.command(3, parameters={}, secrets={}, result=b""),
        ]
        before = timezone.now()
        insert_many(commands)
        stored = Command.objects.order_by("command_uuid")
        for one, row in zip(commands, stored, strict=True):
            found, expected = fields_of(row), fields_of(one)
            self.assertLessEqual(before, found.pop("created_at"))
            del expected["created_at"]
            self.assertEqual(
                found | {"result": bytes(found["result"] or b"")}, expected | {"result": expected["result"] or b""}
            )

    def test_what_all_rows_have_in_common_is_written_to_each(self) -> None:
        insert_many([self.command(n, secrets={"/PIN": "123456"}, parameters=JSON, error_chain=[]) for n in range(3)])
        found = [(one.secrets, one.parameters, one.error_chain) for one in Command.objects.all()]
        self.assertEqual(found, [({"/PIN": "123456"}, JSON, [])] * 3)

    def test_what_python_takes_for_equal_is_not_the_same(self) -> None:
        values = [1, True, 1.0, 0, False]
        insert_many([self.command(n, parameters={"value": value}) for n, value in enumerate(values)])
        found = [one.parameters["value"] for one in Command.objects.order_by("command_uuid")]
        self.assertEqual([repr(value) for value in found], [repr(value) for value in values])
        insert_many([self.command(n + 9, parameters={"value": value}) for n, value in enumerate((True, 1))])
        found = [one.parameters["value"] for one in Command.objects.order_by("pk")[5:]]
        self.assertEqual([type(value) for value in found], [bool, int])

    def test_secrets_are_sealed(self) -> None:
        insert_many([self.command(0, secrets={"/PIN": "123456"})])
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT secrets FROM {Command._meta.db_table}")
            self.assertNotIn("123456", str(bytes(cursor.fetchone()[0])))

    def test_they_do_not_learn_their_keys_and_get_the_next_ones(self) -> None:
        before = self.command(0)
        before.save()
        commands = [self.command(1), self.command(2)]
        insert_many(commands)
        self.assertEqual([one.pk for one in commands], [None, None])
        after = self.command(3)
        after.save()
        keys = list(Command.objects.order_by("command_uuid").values_list("pk", flat=True))
        self.assertEqual(keys, sorted(set(keys)))
        self.assertEqual((keys[0], keys[-1]), (before.pk, after.pk))

    def test_nothing_is_no_statement(self) -> None:
        with self.assertNumQueries(0):
            insert_many([])
            update_many([], ["name"])

    def test_more_than_fit_into_one_statement(self) -> None:
        with mock.patch.object(many_rows, "SIZE", 3):
            insert_many([self.command(n) for n in range(8)])
        found = Command.objects.order_by("command_uuid").values_list("command_uuid", "parameters")
        self.assertEqual(list(found), [(f"uuid-{n}", {"n": n}) for n in range(8)])

    def test_constraints_of_the_database_count(self) -> None:
        with self.assertRaises(IntegrityError), transaction.atomic():
            insert_many([self.command(0), self.command(0)])
        self.assertFalse(Command.objects.exists())

    def test_keys_are_counted_and_references_are_written(self) -> None:
        """A foreign key that may be empty is one column, whether it is empty in all rows or in some."""
        self.assertEqual([field.name for field in many_rows._all_fields(DueDevice) if field.primary_key], [])
        operation = make_operation(self.device.account)
        for owners in ([None], [operation], [None, operation]):
            DueDevice.objects.all().delete()
            fields = {"account": self.device.account, "device": self.device, "attempts": 4}
            insert_many([DueDevice(operation=owner, **fields) for owner in owners])
            found = [(one.device, one.operation, one.attempts) for one in DueDevice.objects.order_by("pk")]
            self.assertEqual(found, [(self.device, owner, 4) for owner in owners])


class UpdateManyTest(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.devices = [make_device() for _ in range(3)]

    def test_each_row_gets_its_own_values_and_other_columns_and_rows_stay(self) -> None:
        other = make_device()
        for n, device in enumerate(self.devices):
            device.name, device.information, device.imei = f"{n} {TEXT}", JSON | {"n": n}, "not written"
            device.is_supervised, device.information_at = bool(n % 2), timezone.now() + timedelta(days=n)
        update_many(self.devices, ["name", "information", "is_supervised", "information_at"])
        for device in self.devices:
            stored = Device.objects.get(pk=device.pk)
            self.assertEqual(fields_of(stored), fields_of(device) | {"imei": ""})
        self.assertEqual(fields_of(Device.objects.get(pk=other.pk)), fields_of(other))

    def test_what_the_database_makes_by_itself_follows(self) -> None:
        self.devices[0].name = "Found by its new name"
        update_many(self.devices, ["name"])
        self.assertEqual(Device.objects.search("found by its NEW name").get(), self.devices[0])

    def test_what_may_be_empty_can_be_emptied(self) -> None:
        rows = [
            make_app_install(make_store_app(device.account), device, feedback=JSON, feedback_at=timezone.now())
            for device in self.devices
        ]
        rows[0].feedback, rows[0].feedback_at, rows[0].retry_at = None, None, timezone.now()
        rows[1].feedback = {}
        update_many(rows, ["feedback", "feedback_at", "retry_at", "version"])
        stored = {row.pk: row for row in AppInstall.objects.all()}
        self.assertEqual([stored[row.pk].feedback for row in rows], [None, {}, JSON])
        self.assertEqual(AppInstall.objects.filter(feedback__isnull=True).get(), rows[0])
        self.assertEqual([stored[row.pk].retry_at for row in rows], [rows[0].retry_at, None, None])

    def test_all_may_be_empty(self) -> None:
        """A column of nothing but NULL has no type of its own."""
        rows = [make_app_install(make_store_app(device.account), device) for device in self.devices]
        update_many(rows, ["feedback", "retry_at", "version", "answered_at"])
        self.assertEqual(AppInstall.objects.filter(feedback__isnull=True, retry_at=None, version=None).count(), 3)

    def test_what_is_auto_now_is_set_when_it_is_named(self) -> None:
        row = make_profile_install(make_profile(self.devices[0].account), self.devices[0])
        long_ago = timezone.now() - timedelta(days=1)
        for names, is_set in ((["state"], False), (["state", "updated_at"], True)):
            ProfileInstall.objects.update(updated_at=long_ago)
            update_many([row], names)
            self.assertEqual(ProfileInstall.objects.get().updated_at > long_ago, is_set, names)

    def test_a_row_that_was_deleted_meanwhile_is_passed_over(self) -> None:
        Device.objects.filter(pk=self.devices[0].pk).delete()
        for device in self.devices:
            device.name = "Renamed"
        update_many(self.devices, ["name"])
        self.assertEqual(Device.objects.filter(name="Renamed").count(), 2)

    def test_more_than_fit_into_one_statement(self) -> None:
        for n, device in enumerate(self.devices):
            device.name = f"Number {n}"
        with mock.patch.object(many_rows, "SIZE", 2):
            update_many(self.devices, ["name"])
        names = Device.objects.order_by("pk").values_list("name", flat=True)
        self.assertEqual(list(names), ["Number 0", "Number 1", "Number 2"])

    def test_on_postgresql_it_is_one_statement_whatever_the_number_of_rows(self) -> None:
        if connection.vendor != "postgresql":
            self.skipTest("SQLite runs the prepared statement once for each row")
        with CaptureQueriesContext(connection) as queries:
            update_many(self.devices, ["name", "group"])
        self.assertEqual(len(queries), 1)
