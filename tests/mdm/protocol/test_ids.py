import pytest

from mdm.protocol.errors import Malformed
from mdm.protocol.ids import SHARED_IPAD_USER_ID, ChannelKey, channel_key


class TestChannelKey:
    def test_a_device_is_its_udid(self):
        key = channel_key({"UDID": "D1", "Status": "Idle"})
        assert key == ChannelKey("D1")
        assert not key.is_user
        assert not key.is_user_enrollment

    def test_a_user_of_a_mac_is_the_user_id(self):
        key = channel_key({"UDID": "D1", "UserID": "U1", "UserShortName": "robin"})
        assert key == ChannelKey("D1", "U1")
        assert key.is_user

    @pytest.mark.parametrize("constant", [SHARED_IPAD_USER_ID, SHARED_IPAD_USER_ID.lower()])
    def test_a_user_of_a_shared_ipad_is_the_short_name(self, constant):
        key = channel_key({"UDID": "D1", "UserID": constant, "UserShortName": "kim@school.example"})
        assert key == ChannelKey("D1", "kim@school.example")

    def test_a_user_enrollment_is_its_enrollment_id(self):
        assert channel_key({"EnrollmentID": "E1"}) == ChannelKey("E1", is_user_enrollment=True)
        key = channel_key({"EnrollmentID": "E1", "EnrollmentUserID": "EU1", "UserShortName": "robin"})
        assert key == ChannelKey("E1", "EU1", is_user_enrollment=True)

    def test_the_udid_wins_where_both_are_sent(self):
        assert channel_key({"UDID": "D1", "EnrollmentID": "E1"}) == ChannelKey("D1")

    def test_empty_identifiers_count_as_absent(self):
        assert channel_key({"UDID": "", "EnrollmentID": "E1", "EnrollmentUserID": ""}).device_id == "E1"
        assert not channel_key({"UDID": "D1", "UserID": ""}).is_user

    def test_keys_can_be_compared_and_hashed(self):
        assert len({channel_key({"UDID": "D1"}), channel_key({"UDID": "D1"}), ChannelKey("D1", "U1")}) == 2


class TestRefusal:
    @pytest.mark.parametrize("message", [{}, {"UDID": ""}, {"UserID": "U1"}, {"EnrollmentUserID": "U1"}])
    def test_a_message_that_names_no_device(self, message):
        with pytest.raises(Malformed, match="neither UDID nor EnrollmentID"):
            channel_key(message)

    def test_a_shared_ipad_user_without_a_name(self):
        with pytest.raises(Malformed, match="UserShortName"):
            channel_key({"UDID": "D1", "UserID": SHARED_IPAD_USER_ID})

    @pytest.mark.parametrize("value", ["x" * 129, "a\nb", "a\x7f", "a\u202eb", 5, b"D1", None, ["D1"]])
    @pytest.mark.parametrize("key", ["UDID", "EnrollmentID", "UserID"])
    def test_long_unprintable_and_wrongly_typed_identifiers(self, key, value):
        message = {"UDID": "D1"} if key == "UserID" else {}
        with pytest.raises(Malformed, match=key):
            channel_key(message | {key: value})

    def test_128_characters_are_allowed(self):
        assert channel_key({"UDID": "x" * 128}).device_id == "x" * 128
