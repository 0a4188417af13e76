"""The client alone, against the fake service; and the signer against the examples of its RFC."""

import logging
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from enrollment.dep_client import (
    BadAnswer,
    Busy,
    CursorExpired,
    DepClient,
    DepError,
    ProfileUnknown,
    TermsNotSigned,
    TokenExpired,
    Unauthorized,
    Unreachable,
)
from enrollment.oauth1 import Credentials, authorization_header, base_string, signature
from mdm.common import peers
from tests.fakes.dep import ACCESS, CONSUMER, FakeDep

GOOD = Credentials(*CONSUMER, *ACCESS)


@pytest.fixture
def dep():
    with FakeDep() as fake:
        yield fake


@pytest.fixture
def client(dep):
    with DepClient(dep.url, GOOD, timeout=5) as made:
        yield made


def serials(pages) -> list[list[str]]:
    return [[device["serial_number"] for device in page.devices] for page in pages]


class TestSigner:
    def test_the_temporary_credentials_of_rfc_5849_section_1_2(self):
        parameters = [
            ("oauth_consumer_key", "dpf43f3p2l4k3l03"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131200"),
            ("oauth_nonce", "wIjqoS"),
            ("oauth_callback", "http://printer.example.com/ready"),
        ]
        signed = signature("POST", "https://photos.example.net/initiate", parameters, "kd94hf93k423kf44", "")
        assert signed == "74KNZJeDHnMBp0EMJ9ZHt/XKycU="

    def test_the_protected_resource_of_rfc_5849_section_1_2(self):
        parameters = [
            ("oauth_consumer_key", "dpf43f3p2l4k3l03"),
            ("oauth_token", "nnch734d00sl2jdk"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131202"),
            ("oauth_nonce", "chapoH"),
        ]
        url = "http://photos.example.net/photos?file=vacation.jpg&size=original"
        assert (
            signature("GET", url, parameters, "kd94hf93k423kf44", "pfkkdhi9sl3r4s00") == "MdpQcU8iPSUjWoN/UDMsK2sui9I="
        )

    def test_the_base_string_of_rfc_5849_section_3_4_1(self):
        parameters = [
            ("oauth_consumer_key", "9djdj82h48djs9d2"),
            ("oauth_token", "kkk9d7dh3k39sjv7"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131201"),
            ("oauth_nonce", "7d8f3e4a"),
            ("c2", ""),
            ("a3", "2 q"),
        ]
        assert base_string("POST", "http://EXAMPLE.COM:80/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b", parameters) == (
            "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%26"
            "c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1%26"
            "oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
        )

    def test_the_header_never_repeats_a_nonce_and_escapes_what_it_holds(self):
        odd = Credentials('a"b', "s", "t", "u")
        first, second = (authorization_header("GET", "https://example.com/session", odd) for _ in range(2))
        assert first != second
        assert 'oauth_consumer_key="a%22b"' in first
        assert first.startswith('OAuth realm="ADM", ')

    def test_secrets_do_not_show_in_a_repr(self):
        assert repr(GOOD) == "Credentials(consumer_key='CK_fake')"


class TestTalking:
    def test_one_session_serves_all_requests(self, dep, client):
        dep.assign(3)
        assert client.account()["org_name"] == "Example Inc"
        assert len(serials(client.fetch_devices())[0]) == 3
        assert dep.requests == ["GET /session", "GET /account", "POST /server/devices"]

    def test_pages_come_one_by_one_and_end_with_a_cursor_for_changes(self, dep, client):
        names = dep.assign(5)
        dep.page_limit = 2
        pages = client.fetch_devices()
        first = next(pages)
        assert (len(first.devices), first.has_more, dep.count("/server/devices")) == (2, True, 1)
        rest = list(pages)
        assert [name for page in [first, *rest] for name in serials([page])[0]] == names
        dep.release(names[0])
        (changes,) = client.sync_devices(rest[-1].cursor)
        assert [(d["serial_number"], d["op_type"]) for d in changes.devices] == [(names[0], "deleted")]

    def test_a_list_is_read_on_from_a_cursor(self, dep, client):
        names = dep.assign(5)
        dep.page_limit = 2
        first = next(client.fetch_devices())
        assert serials(client.fetch_devices(first.cursor)) == [names[2:4], names[4:]]

    def test_a_session_that_ended_is_renewed_once(self, dep, client):
        client.account()
        dep.end_sessions()
        assert client.account()["server_name"] == "Fake MDM server"
        assert dep.count("/session") == 2

    def test_a_session_that_apple_exchanges_is_used_from_then_on(self, dep, client):
        dep.rotates_sessions = True
        client.account()
        client.account()
        assert dep.count("/session") == 1

    def test_a_refusal_with_a_new_session_is_believed(self, dep, client):
        client.account()
        for _ in range(2):
            dep.fail("/account", 403, b"ACCESS_DENIED")
        with pytest.raises(Unauthorized):
            client.account()
        assert (dep.count("/session"), dep.count("/account")) == (2, 3)


class TestErrors:
    def test_a_token_that_apple_does_not_know(self, dep):
        for wrong in (
            Credentials("CK_other", CONSUMER[1], *ACCESS),
            Credentials(CONSUMER[0], "wrong", *ACCESS),
            Credentials(*CONSUMER, ACCESS[0], "wrong"),
        ):
            with (
                DepClient(dep.url, wrong) as client,
                pytest.raises(Unauthorized, match="does not accept the server token"),
            ):
                client.account()

    @pytest.mark.parametrize(
        ("status", "body", "kind", "words"),
        [
            (403, b'"T_C_NOT_SIGNED"', TermsNotSigned, "terms and conditions"),
            (401, b"oauth_problem=token_expired", TokenExpired, "has expired"),
            (500, b"<html>", Unreachable, "status 500"),
            (302, b"", BadAnswer, "status 302"),
            (400, b"MALFORMED_REQUEST_BODY", BadAnswer, "MALFORMED_REQUEST_BODY"),
            (400, b"<script>AT_fake</script>", BadAnswer, "refused the request: status 400"),
            (200, b"<html>", BadAnswer, "cannot be read"),
            (200, b"[]", BadAnswer, "cannot be read"),
            (200, b"[" * 100_000, BadAnswer, "cannot be read"),
            (200, b"{}", BadAnswer, "opened no session"),
            (200, b'{"auth_session_token": "two\\r\\nlines"}', BadAnswer, "opened no session"),
        ],
    )
    def test_what_goes_wrong_has_a_name_and_a_sentence(self, dep, client, status, body, kind, words):
        dep.fail("/session", status, body)
        with pytest.raises(kind, match=words):
            client.account()
        assert dep.count("/session") == 1

    @pytest.mark.parametrize("code", ["EXPIRED_CURSOR", "INVALID_CURSOR", "EXHAUSTED_CURSOR"])
    def test_cursors_end(self, dep, client, code):
        dep.fail("/devices/sync", 400, f'"{code}"'.encode())
        with pytest.raises(CursorExpired):
            next(client.sync_devices("00ff"))

    @pytest.mark.parametrize("status", [429, 503])
    def test_being_busy_tells_how_long_to_wait(self, dep, client, status):
        later = format_datetime(datetime.now(UTC) + timedelta(minutes=5))
        for given, low, high in [("120", 120, 120), (later, 290, 300), ("soon", 0, 0), ("9" * 400, 86400, 86400)]:
            dep.fail("/account", status, headers={"Retry-After": given})
            with pytest.raises(Busy) as raised:
                client.account()
            assert low <= raised.value.retry_after_seconds <= high

    def test_nobody_listens(self):
        with DepClient("http://127.0.0.1:9", GOOD) as client, pytest.raises(Unreachable, match="could not be reached"):
            client.account()

    def test_an_address_that_is_none(self):
        with pytest.raises(Unreachable, match="DEP_URL"):
            DepClient("https://[::1", GOOD)

    def test_silence(self, dep):
        dep.fail("/session", 200, b"{}", delay=1.0)
        with (
            DepClient(dep.url, GOOD, timeout=0.2) as client,
            pytest.raises(Unreachable, match="did not answer in time"),
        ):
            client.account()

    def test_an_answer_that_trickles_in(self, dep, client, monkeypatch):
        monkeypatch.setattr(peers, "DEADLINE_SECONDS", -1.0)
        with pytest.raises(Unreachable, match="did not answer in time"):
            client.account()

    def test_half_an_answer(self, dep, client):
        dep.fail("/server/devices", 200, b'{"devices": [], "cursor": "00"}', is_cut=True)
        with pytest.raises(Unreachable):
            next(client.fetch_devices())

    def test_an_answer_without_end(self, dep, client, monkeypatch):
        monkeypatch.setattr(client._peer, "_max_answer_bytes", 1000)
        dep.assign(10)
        with pytest.raises(BadAnswer, match="too large"):
            next(client.fetch_devices())

    @pytest.mark.parametrize(
        "body",
        [
            b"{}",
            b'{"devices": {}, "cursor": "00"}',
            b'{"devices": [], "cursor": ""}',
            b'{"devices": [], "cursor": 7}',
            b'{"devices": [], "cursor": "\\u0000"}',
            b'{"devices": [], "cursor": "00", "more_to_follow": "yes"}',
            b'{"devices": [], "cursor": "' + b"0" * 1001 + b'"}',
        ],
    )
    def test_a_page_that_is_none(self, dep, client, body):
        dep.fail("/server/devices", 200, body)
        with pytest.raises(BadAnswer, match="device list that cannot be read"):
            next(client.fetch_devices())

    def test_a_list_that_never_ends(self, dep, client):
        for _ in range(2):
            dep.fail("/server/devices", 200, b'{"devices": [], "cursor": "00", "more_to_follow": true}')
        with pytest.raises(BadAnswer, match="same part"):
            list(client.fetch_devices())

    def test_no_secret_is_in_a_text_or_a_log(self, dep, caplog):
        caplog.set_level(logging.DEBUG)
        texts = []
        for status in (400, 401, 403, 429, 500):
            dep.fail("/session", status, b"AS_fake")
            with DepClient(dep.url, GOOD) as client, pytest.raises(DepError) as raised:
                client.account()
            texts += [str(raised.value), repr(raised.value)]
        said = "\n".join([*texts, *(r.getMessage() for r in caplog.records if r.name.split(".")[0] != "httpcore")])
        for secret in (CONSUMER[1], *ACCESS, *dep._sessions):
            assert secret not in said


PROFILE = {"profile_name": "Office", "url": "https://mdm.example.com/e/ade/T", "is_supervised": True}


class TestProfiles:
    def test_a_profile_is_made_known_assigned_and_taken_back(self, dep, client):
        (name,) = dep.assign(1)
        uuid = client.define_profile(PROFILE)
        assert dep.profiles[uuid] == PROFILE
        assert client.knows_profile(uuid)
        assert client.assign_profile(uuid, [name, "STRANGER"]).statuses == {
            name: "SUCCESS",
            "STRANGER": "NOT_ACCESSIBLE",
        }
        assert dep.devices[name]["profile_uuid"] == uuid
        assert client.remove_profile([name]).statuses == {name: "SUCCESS"}
        assert dep.devices[name]["profile_uuid"] == ""

    def test_one_that_apple_does_not_know(self, dep, client):
        assert not client.knows_profile("NONE")
        dep.fail("/profile", 404)
        assert not client.knows_profile("NONE")
        with pytest.raises(ProfileUnknown):
            client.assign_profile("NONE", dep.assign(1))

    def test_whether_it_is_known_is_no_guess(self, dep, client):
        for status, error in ((500, Unreachable), (429, Busy), (400, BadAnswer)):
            dep.fail("/profile", status)
            with pytest.raises(error):
                client.knows_profile("AB12")

    def test_what_apple_refuses_has_its_code(self, client):
        with pytest.raises(BadAnswer, match="FLAGS_INVALID") as raised:
            client.define_profile(PROFILE | {"is_supervised": False, "is_mdm_removable": False})
        assert (raised.value.status, raised.value.code) == (400, "FLAGS_INVALID")

    def test_a_profile_without_a_usable_uuid_is_none(self, dep, client):
        for body in (b"{}", b'{"profile_uuid": 7}', b'{"profile_uuid": ""}', b'{"profile_uuid": "%s"}' % (b"A" * 65)):
            dep.fail("/profile", 200, body)
            with pytest.raises(BadAnswer, match="no usable UUID"):
                client.define_profile(PROFILE)

    def test_throttled_devices_come_with_a_time(self, dep, client):
        (name,) = dep.assign(1)
        uuid = client.define_profile(PROFILE)
        dep.refuses = {name: "THROTTLED"}
        for said, expected in ((90, 90.0), (None, 0.0)):
            dep.retry_after_seconds = said
            answer = client.assign_profile(uuid, [name])
            assert (answer.statuses, answer.retry_after_seconds) == ({name: "THROTTLED"}, expected)

    def test_hostile_answers(self, dep, client):
        uuid = client.define_profile(PROFILE)
        for body in (b"{}", b'{"devices": []}', b"[]", b"{"):
            dep.fail("/profile/devices", 200, body)
            with pytest.raises(BadAnswer):
                client.assign_profile(uuid, ["A"])
        dep.fail(
            "/profile/devices", 200, b'{"devices": {"A": 7, "B": "%s"}, "retry_after_seconds": true}' % (b"x" * 500)
        )
        answer = client.assign_profile(uuid, ["A", "B"])
        assert (list(answer.statuses), len(answer.statuses["B"]), answer.retry_after_seconds) == (["B"], 100, 0.0)

    def test_put_where_post_is_not_known(self, dep, client):
        dep.assign_methods = ("PUT",)
        (name,) = dep.assign(1)
        assert client.assign_profile(client.define_profile(PROFILE), [name]).statuses == {name: "SUCCESS"}

    def test_the_uuid_stands_in_no_log(self, client, caplog):
        with caplog.at_level(logging.DEBUG):
            client.knows_profile("SECRET-UUID")
        assert "SECRET-UUID" not in "".join(
            record.getMessage() for record in caplog.records if record.name.startswith("pomona")
        )
