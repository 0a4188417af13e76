"""Values of a custom attribute from a CSV file: what would change is shown first, and refused lines are named."""

from unittest.mock import patch

from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse

from devices.models import AttributeValue, BulkOperation, Device
from devices.services.attribute_import import MAX_LINES
from devices.services.attributes import MAX_VALUE_BYTES
from devices.services.bulk_steps import work_on_operations
from mdm.accounts.models import Role
from tests.admin.test_attributes import AttributeTestCase
from tests.factories import make_attribute_value, make_device


class ImportTest(AttributeTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.mac = make_device(self.account, name="Lab Mac", serial_number="C02Y", udid="0000-AB")

    def upload(self, content: str | bytes, **options: object) -> HttpResponse:
        data = content if isinstance(content, bytes) else content.encode()
        file = SimpleUploadedFile("values.csv", data)
        return self.client_.post(self.of("import_values", **options), {"file": file})

    def agree(self, page: HttpResponse, **options: object) -> HttpResponse:
        data = {"token": page.context["token"]}
        return self.client_.post(self.of("apply_import", **options), data, follow=True)

    def value_of(self, device: Device) -> str | None:
        row = AttributeValue.objects.filter(device=device, attribute=self.room).first()
        return row and row.value

    def test_devices_are_found_by_serial_number_udid_and_name(self) -> None:
        named = make_device(self.account, name="Kiosk")
        page = self.upload("serial_number,value\nc02x,1\n0000-ab,2\nKiosk,3\n")
        self.assertEqual(page.context["plan"].added, 3)
        self.assertFalse(AttributeValue.objects.exists())
        self.assertContains(self.agree(page), "The values of 3 devices were set.")
        self.assertEqual([self.value_of(one) for one in (self.device, self.mac, named)], ["1", "2", "3"])

    def test_the_plan_tells_what_is_new_replaced_taken_back_and_the_same(self) -> None:
        spare = make_device(self.account, serial_number="C02Z")
        for device, value in ((self.device, "old"), (self.mac, "keep"), (spare, "gone")):
            make_attribute_value(device, self.room, value)
        make_device(self.account, serial_number="C02N")
        page = self.upload("C02X,new\nC02Y,keep\nC02Z,\nC02N,first\n")
        plan = page.context["plan"]
        self.assertEqual((plan.added, plan.replaced, plan.cleared, plan.same), (1, 1, 1, 1))
        self.assertContains(page, "old")
        self.agree(page)
        self.assertEqual([self.value_of(one) for one in (self.device, self.mac, spare)], ["new", "keep", None])

    def test_refused_lines_are_named_and_the_others_taken(self) -> None:
        for _ in range(2):
            make_device(self.account, name="Twin")
        make_device(self.other_account, serial_number="F0RE1GN")
        long = "x" * (MAX_VALUE_BYTES + 1)
        page = self.upload(f"nobody,1\nTwin,2\nC02X,3\nc02x,4\nC02Y\nF0RE1GN,5\n,6\nC02Y,{long}\n")
        faults = {line.number: line.fault for line in page.context["plan"].faults}
        self.assertEqual(set(faults), {1, 2, 4, 5, 6, 7, 8})
        for number, words in ((1, "No device"), (2, "Several"), (4, "line 3"), (5, "no value"), (8, "longer")):
            self.assertIn(words, faults[number])
        self.agree(page)
        self.assertEqual((self.value_of(self.device), self.value_of(self.mac)), ("3", None))

    def test_other_separators_headings_quotes_and_marks_are_understood(self) -> None:
        for content in (
            "\ufeffDevice;Owner;ROOM\nC02X;ann;a, b\n",
            'udid\tvalue\nC02X\t"a, b"\n',
            '\n"C02X","a, b"\r\n\r\n',
        ):
            AttributeValue.objects.all().delete()
            self.agree(self.upload(content))
            self.assertEqual(self.value_of(self.device), "a, b", content)

    def test_what_is_no_such_file_is_refused_with_a_sentence(self) -> None:
        self.assertContains(self.upload("Ä".encode("utf-16")), "not text in UTF-8")
        with patch("devices.services.attribute_import.MAX_LINES", 1):
            self.assertContains(self.upload("C02X,1\nC02Y,2\n"), "more than 1 lines")
        self.assertContains(self.upload('C02X,"' + "x" * 200_000), "cannot be read as CSV")
        self.assertContains(self.client_.post(self.of("import_values"), {}), "Please look at what is marked")
        self.assertEqual(MAX_LINES, 100_000)

    def test_a_file_that_changes_nothing_says_so(self) -> None:
        make_attribute_value(self.device, self.room, "1")
        self.assertContains(self.upload("C02X,1\n"), "The file changes nothing")
        self.assertContains(self.upload("x,1\n"), "No line of it can be used.")

    def test_what_was_read_is_applied_once_and_for_its_attribute_alone(self) -> None:
        page = self.upload("C02X,1\n")
        self.assertContains(self.agree(page, attribute=self.pin), "Please choose the file once more.")
        self.agree(page)
        AttributeValue.objects.all().delete()
        self.assertContains(self.agree(page), "Please choose the file once more.")
        self.assertFalse(AttributeValue.objects.exists())

    def test_secret_values_are_neither_shown_nor_compared(self) -> None:
        make_attribute_value(self.device, self.pin, "hunter2")
        page = self.upload("C02X,hunter2\n", attribute=self.pin)
        self.assertEqual(page.context["plan"].replaced, 1)
        self.assertNotContains(page, "hunter2")

    def test_many_devices_become_an_operation(self) -> None:
        with patch("devices.services.attribute_import.MANY", 1):
            page = self.upload("C02X,1\nC02Y,2\n")
            response = self.agree(page)
        operation = BulkOperation.objects.get()
        self.assertContains(response, "Import values of room")
        self.assertEqual((operation.total, self.value_of(self.device)), (2, None))
        work_on_operations()
        self.assertEqual((self.value_of(self.device), self.value_of(self.mac)), ("1", "2"))
        operation.refresh_from_db()
        self.assertEqual(operation.state, "done")

    def test_what_waits_is_encrypted(self) -> None:
        with patch("devices.services.attribute_import.cache.set") as kept:
            self.upload("C02X,correct horse\n")
        self.assertNotIn(b"correct horse", kept.call_args.args[1])

    def test_readers_see_no_way_there(self) -> None:
        self.assertNotContains(self.reader.get(self.of("change")), "import/")
        self.assertEqual(self.people[Role.READ_ONLY].get(self.of("import_values")).status_code, 403)
