from tests.api.v1.action_base import ActionChecks, ActionTestCase


class DeviceSetTimeZoneTest(ActionChecks, ActionTestCase):
    path = "set_time_zone"
    status = 204
    good = {"time_zone": "Europe/Berlin"}

    def test_it_is_queued(self):
        wanted = {"Settings": [{"Item": "TimeZone", "TimeZone": "Europe/Berlin"}]}
        self.assert_queued(self.send(self.make(), **self.good), "Settings", wanted)

    def test_a_zone_that_is_none_is_refused(self):
        device = self.make()
        for zone in ("Berlin", "europe/berlin", "../../etc/passwd", "localtime", "Factory", "+02:00"):
            self.assert_refused(self.send(device, time_zone=zone), "time zone is not known")

    def test_a_zone_must_be_given(self):
        device = self.make()
        self.assert_refused(self.send(device), "time_zone")
        self.assert_refused(self.send(device, time_zone=""), "time_zone")

    def test_a_mac_has_it_not(self):
        self.assert_refused(self.send(self.make(platform="macOS"), **self.good), "not available on macOS")

    def test_an_unsupervised_iphone_refuses(self):
        self.assert_refused(self.send(self.make(is_supervised=False), **self.good), "needs a supervised device")

    def test_an_older_iphone_refuses(self):
        self.assert_refused(self.send(self.make(os_version="13.7"), **self.good), "needs iOS 14.0 or later")
