from tests.api.v1.action_base import ActionChecks, ActionTestCase


class LostModeEnableTest(ActionChecks, ActionTestCase):
    path = "lost_mode"
    good = {"message": "Please bring it back"}

    def test_it_is_queued_with_its_words(self):
        response = self.send(self.make(), message="Please call", phone_number="5035551212", footnote="Acme")
        words = {"Message": "Please call", "PhoneNumber": "5035551212", "Footnote": "Acme"}
        self.assert_queued(response, "EnableLostMode", words)

    def test_a_phone_number_alone_is_enough(self):
        response = self.send(self.make(), message="", phone_number="5035551212", footnote=None)
        self.assert_queued(response, "EnableLostMode", {"PhoneNumber": "5035551212"})

    def test_neither_message_nor_phone_number_is_refused(self):
        for words in ({}, {"footnote": "Acme"}, {"message": "  ", "phone_number": ""}):
            self.assert_refused(self.send(self.make(), **words), "needs a message or a phone number")

    def test_an_unsupervised_iphone_refuses(self):
        self.assert_refused(self.send(self.make(is_supervised=False), **self.good), "needs a supervised device")

    def test_a_mac_has_it_not(self):
        self.assert_refused(self.send(self.make(platform="macOS"), **self.good), "not available on macOS")
