from datetime import UTC, datetime

from mdm.events.models import Event
from tests.devices.results.base import ResultTestCase

PLACE = {
    "Latitude": 45.523064,
    "Longitude": -122.676483,
    "HorizontalAccuracy": 65.0,
    "VerticalAccuracy": 10.0,
    "Altitude": 20.5,
    "Speed": -1.0,
    "Course": -1.0,
    "Timestamp": "2024-07-01T21:32:19Z",
}


class LocationTest(ResultTestCase):
    def locate(self, **keys):
        """PLACE with these keys; None leaves one out."""
        answer = {key: value for key, value in (PLACE | keys).items() if value is not None}
        self.assert_read(self.tell(self.phone, "DeviceLocation", answer, finished_at=self.answered_at))
        return self.phone.location

    def setUp(self):
        super().setUp()
        self.answered_at = datetime(2024, 7, 1, 21, 40, tzinfo=UTC)

    def test_the_place_is_kept_as_text(self):
        self.assertEqual(
            self.locate(),
            {
                "latitude": "45.523064",
                "longitude": "-122.676483",
                "accuracy": "65",
                "at": "2024-07-01T21:32:19+00:00",
            },
        )

    def test_the_log_says_that_there_is_one_but_not_where(self):
        self.locate()
        event = Event.objects.get(event_type="device.location_updated")
        self.assertEqual((event.device, event.namespace, event.metadata), (self.phone, "device", {}))
        self.assertFalse(any("45.5" in str(event.metadata) for event in Event.objects.all()))

    def test_the_last_place_counts(self):
        self.locate()
        self.assertEqual(self.locate(Latitude=1, Longitude=-0.00000001)["latitude"], "1")
        self.assertEqual(self.phone.location["longitude"], "0")

    def test_a_small_number_has_no_exponent(self):
        self.assertEqual(self.locate(Latitude=0.00001)["latitude"], "0.00001")

    def test_an_accuracy_that_is_not_known_is_empty(self):
        for accuracy in (None, -1.0, "65", 10**15, True):
            self.assertEqual(self.locate(HorizontalAccuracy=accuracy)["accuracy"], "")

    def test_without_a_time_that_can_be_it_is_that_of_the_answer(self):
        for at in (None, "yesterday", 5, "2099-01-01T00:00:00Z", "x" * 9999, "0001-01-01T00:00:00+10:00"):
            self.assertEqual(self.locate(Timestamp=at)["at"], "2024-07-01T21:40:00+00:00")

    def test_a_date_is_understood_as_well(self):
        self.assertEqual(self.locate(Timestamp=datetime(2024, 7, 1, 20, 0))["at"], "2024-07-01T20:00:00+00:00")

    def test_a_place_that_is_not_on_earth_is_dropped(self):
        hostile = [
            {"Latitude": 90.1},
            {"Longitude": -180.5},
            {"Latitude": "45.5"},
            {"Latitude": True},
            {"Longitude": [1.0]},
            {"Latitude": None},
        ]
        for keys in hostile:
            with self.subTest(keys):
                self.assertIsNone(self.locate(**keys))
        self.assertFalse(Event.objects.filter(event_type="device.location_updated").exists())

    def test_what_is_known_stays_when_nonsense_comes(self):
        before = self.locate()
        self.assertEqual(self.locate(Latitude=1000.0), before)
