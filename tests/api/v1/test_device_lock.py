from tests.api.v1.action_base import ActionChecks, ActionTestCase


class DeviceLockTest(ActionChecks, ActionTestCase):
    path = "lock"

    def test_an_iphone_is_locked_without_a_word(self):
        self.assert_queued(self.send(self.make(is_supervised=False), message="", pin=None), "DeviceLock", {})

    def test_it_shows_message_and_phone_number(self):
        response = self.send(self.make(), message="Please call", phone_number="5035551212")
        self.assert_queued(response, "DeviceLock", {"Message": "Please call", "PhoneNumber": "5035551212"})

    def test_a_mac_gets_its_pin_which_nobody_else_sees(self):
        response = self.send(self.make(platform="macOS"), message="Lost", pin=123456)
        command = self.assert_queued(response, "DeviceLock", {"Message": "Lost", "PIN": "123456"})
        self.assertEqual(command.parameters, {"Message": "Lost"})
        self.assert_nowhere("123456")

    def test_a_mac_without_a_pin_is_refused(self):
        self.assert_refused(self.send(self.make(platform="macOS"), message="Lost"), "A Mac", "six digits")

    def test_a_pin_has_six_digits(self):
        device = self.make(platform="macOS")
        for pin in ("12345", "1234567", "12345a", "١٢٣٤٥٦", "123 56"):
            self.assert_refused(self.send(device, pin=pin), "PIN: must be six digits")

    def test_an_iphone_refuses_a_pin(self):
        self.assert_refused(self.send(self.make(), pin="123456"), "A PIN is for Macs only")

    def test_a_mac_that_is_too_old_for_a_message_refuses_it(self):
        device = self.make(platform="macOS", os_version="10.13.6")
        self.assert_refused(self.send(device, pin="123456", message="Lost"), "Message needs macOS 10.14 or later")
        device = self.make(platform="macOS", os_version="11.4")
        self.assert_refused(self.send(device, pin="123456", phone_number="5"), "PhoneNumber needs macOS 11.5 or later")

    def test_an_apple_tv_has_no_lock(self):
        self.assert_refused(self.send(self.make(platform="tvOS")), "not available on tvOS")

    def test_what_no_lock_screen_would_show_is_refused(self):
        self.assert_refused(self.send(self.make(), message="x" * 1001), "message")
