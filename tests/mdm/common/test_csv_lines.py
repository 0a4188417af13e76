"""Cells of CSV files, as spreadsheets take them."""

import csv
import io
from datetime import UTC, datetime

from django.test import SimpleTestCase

from mdm.common.csv_lines import csv_cell, csv_lines


class CsvTest(SimpleTestCase):
    def test_nothing_is_a_formula(self) -> None:
        for text in ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"):
            self.assertEqual(csv_cell(text), f"'{text}")

    def test_a_text_stays_one_cell_whatever_parts_them(self) -> None:
        line = csv_lines([["Ada;=1+1;x", "Ben\t=2+2", 'a "b", c']]).decode()
        self.assertEqual(line, '"Ada;=1+1;x","Ben\t=2+2","a ""b"", c"\r\n')
        self.assertEqual(next(csv.reader(io.StringIO(line), delimiter=";", quotechar='"'))[0][:10], "Ada;=1+1;x")

    def test_numbers_times_and_nothing(self) -> None:
        at = datetime(2026, 12, 1, 10, 0, 0, 5, tzinfo=UTC)
        self.assertEqual(csv_lines([[1, 2.5, at, None, True]]), b'1,2.5,"2026-12-01T10:00:00+00:00","","True"\r\n')
