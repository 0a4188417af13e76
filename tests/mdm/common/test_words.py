from datetime import UTC, datetime, timedelta
from unittest import TestCase

from mdm.common.words import ago, count_of, duration, file_size

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


class WordsTest(TestCase):
    def test_times_are_said_as_people_say_them(self) -> None:
        for distance, words in (
            (timedelta(seconds=30), "just now"),
            (timedelta(seconds=-30), "just now"),
            (timedelta(minutes=1), "1 minute ago"),
            (timedelta(minutes=59), "59 minutes ago"),
            (timedelta(hours=3), "3 hours ago"),
            (timedelta(days=40), "1 month ago"),
            (timedelta(days=800), "2 years ago"),
            (timedelta(days=-3, hours=-1), "in 3 days"),
            (timedelta(days=-3, hours=-12), "in 3 days"),
            (timedelta(days=-7, minutes=1), "in 7 days"),
            (timedelta(days=7, minutes=-1), "6 days ago"),
        ):
            self.assertEqual(ago(NOW - distance, NOW), words)

    def test_short_durations_have_words_too(self) -> None:
        self.assertEqual(duration(timedelta(seconds=5)), "less than a minute")

    def test_counts_agree_with_their_noun(self) -> None:
        self.assertEqual(count_of(0, "device"), "0 devices")
        self.assertEqual(count_of(1, "device"), "1 device")
        self.assertEqual(count_of(1200, "device"), "1,200 devices")
        self.assertEqual(count_of(2, "entry"), "2 entries")

    def test_sizes_are_decimal_as_on_apples_devices(self) -> None:
        for size, words in ((0, "0 bytes"), (1500, "2 KB"), (2_500_000, "2.5 MB"), (494_380_000_000, "494.4 GB")):
            self.assertEqual(file_size(size), words)
        self.assertEqual(file_size(5e15), "5000.0 TB")
