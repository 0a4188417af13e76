"""Text messages, through a gateway at a real socket that speaks either dialect."""

import json
import logging
import socket
from pathlib import Path
from unittest import mock

from django.test import override_settings
from django.utils import timezone

from enrollment.models import Invitation, InvitationKind, InvitationState
from enrollment.services import sms_gateway
from enrollment.services.invitation_sending import send_due
from enrollment.services.invitation_sms import parts, text_of
from enrollment.services.sms_gateway import BadGatewaySettings, gateway
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_device, make_enrollment, make_invitation
from tests.fakes.sms_gateway import AUTHORIZATION, FORM_KEY, FakeSmsGateway

NUMBER = "+14155550123"


class GatewayTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.gateway = self.enterContext(FakeSmsGateway())
        self.enterContext(override_settings(**self.gateway.json_settings()))
        self.enrollment = make_enrollment(self.account)
        self.invitation = make_invitation(self.enrollment, kind=InvitationKind.SMS, contact=NUMBER)

    def sent(self) -> Invitation:
        Invitation.objects.filter(state=InvitationState.WAITING).update(due_at=timezone.now())
        send_due()
        self.invitation.refresh_from_db()
        return self.invitation

    def assert_failed(self, *words: str) -> None:
        self.assertEqual(self.sent().state, InvitationState.FAILED)
        for word in words:
            self.assertIn(word, self.invitation.error)
        event = Event.objects.get(event_type="enrollment.invitation_failed")
        self.assertEqual(
            (event.metadata["kind"], event.metadata["contact"], event.metadata["error"]),
            ("sms", NUMBER, self.invitation.error),
        )

    # --- taken --------------------------------------------------------------------------------------------------------
    def test_json_with_a_key_in_a_header(self) -> None:
        self.assertEqual(self.sent().state, InvitationState.SENT)
        self.assertEqual(self.invitation.reference, "msg-1")
        text = self.gateway.texts[0]
        self.assertEqual((text.to, text.sender, text.text), (NUMBER, "Acme IT", text_of(self.invitation)))
        self.assertIn(self.enrollment.url, text.text)
        self.assertEqual(text.given["client_ref"], f"pomona-invitation-{self.invitation.pk}")
        path, headers, _ = self.gateway.asked[0]
        self.assertEqual((path, headers["Content-Type"]), ("/v2/messages", "application/json"))
        event = Event.objects.get(event_type="enrollment.invitation_sent")
        self.assertEqual((event.metadata["kind"], event.metadata["contact"]), ("sms", NUMBER))

    def test_a_form_with_a_key_in_a_field(self) -> None:
        self.account.name = "Brot & Söhne = 100%"
        self.account.save()
        with override_settings(**self.gateway.form_settings()):
            self.assertEqual(self.sent().state, InvitationState.SENT)
        self.assertEqual(self.invitation.reference, "")
        text = self.gateway.texts[0]
        self.assertEqual((text.to, text.sender), (NUMBER, "Acme"))
        self.assertIn("Brot & Söhne = 100%", text.text)
        path, headers, _ = self.gateway.asked[0]
        self.assertEqual((path, headers["Content-Type"]), ("/send/", "application/x-www-form-urlencoded"))

    def test_what_is_put_in_is_not_read_as_a_placeholder(self) -> None:
        self.account.name = "{sender} {nothing} {0}"
        self.account.save()
        self.sent()
        self.assertTrue(self.gateway.texts[0].text.startswith("{sender} {nothing} {0} invites"))

    def test_further_headers_go_along(self) -> None:
        with override_settings(SMS_HEADERS='{"X-Project": "seven"}'):
            self.sent()
        self.assertEqual(self.gateway.asked[0][1]["X-Project"], "seven")

    # --- refused ------------------------------------------------------------------------------------------------------
    def test_a_refusal_fails_with_the_gateways_own_words(self) -> None:
        for body, words in (
            (b'{"error": {"code": 21211, "message": "This number cannot get messages"}}', "This number cannot get"),
            (b'{"errors": [{"title": "Bad sender"}]}', "Bad sender (status 400)"),
            (b"ERROR 105:   credit\n is used up", "ERROR 105: credit is used up (status 400)"),
            (b"<html><h1>Bad Request</h1></html>", "refused the message: status 400."),
            (b"", "refused the message: status 400."),
            (b"\xff\xfe\x00 what", "what"),
        ):
            with self.subTest(words):
                Event.objects.all().delete()
                self.invitation = make_invitation(self.enrollment, kind=InvitationKind.SMS, contact=NUMBER)
                Invitation.objects.exclude(pk=self.invitation.pk).delete()
                self.gateway.fail(400, body)
                self.assert_failed(words)

    def test_long_words_are_cut(self) -> None:
        self.gateway.fail(400, b"no " * 5000)
        self.assert_failed("no no no")
        self.assertLess(len(self.invitation.error), 400)

    def test_a_wrong_key_fails_and_no_key_is_repeated(self) -> None:
        self.gateway.fail(
            401, json.dumps({"message": f"Header {AUTHORIZATION} is wrong, key-of-the-tests-77"}).encode()
        )
        self.assert_failed("Header … is wrong, …")

    def test_a_key_in_a_field_or_an_address_is_not_repeated_either(self) -> None:
        changed = self.gateway.form_settings()
        changed["SMS_URL"] = f"{self.gateway.url}/send?token=secret-in-the-query"
        with override_settings(**changed):
            self.gateway.fail(403, f"{FORM_KEY} at ?token=secret-in-the-query is blocked".encode())
            self.assert_failed("… at ?token=… is blocked")

    def test_no_key_and_no_address_stands_in_the_servers_log(self) -> None:
        changed = self.gateway.form_settings() | {"SMS_AUTHORIZATION": AUTHORIZATION}
        changed["SMS_URL"] = f"{self.gateway.url}/send/secret-path?token=secret-in-the-query"
        with override_settings(**changed), self.assertLogs(level=logging.DEBUG) as logs:
            self.sent()
        text = "\n".join(logs.output)
        self.assertIn("The SMS gateway", text)
        for secret in (FORM_KEY, AUTHORIZATION, "secret-path", "secret-in-the-query", NUMBER, self.enrollment.code):
            self.assertNotIn(secret, text)

    def test_an_answer_without_the_name_of_the_message_is_a_refusal(self) -> None:
        """Some gateways say no with status 200."""
        for body in (b'{"messages": [{"status": "4", "error-text": "Bad credentials"}]}', b"[]", b"OK", b""):
            with self.subTest(body):
                Event.objects.all().delete()
                Invitation.objects.all().delete()
                self.invitation = make_invitation(self.enrollment, kind=InvitationKind.SMS, contact=NUMBER)
                self.gateway.fail(200, body)
                self.assert_failed("without messages.0.id", *(["Bad credentials"] if b"cred" in body else []))

    def test_a_redirect_is_not_followed(self) -> None:
        self.gateway.fail(301, headers={"Location": f"{self.gateway.url}/v2/messages"})
        self.assert_failed("correct SMS_URL")
        self.assertEqual(self.gateway.texts, [])

    # --- later --------------------------------------------------------------------------------------------------------
    def test_a_busy_gateway_is_asked_again_when_it_says(self) -> None:
        for status in (429, 500, 503):
            self.gateway.fail(status, headers={"Retry-After": "600"})
            self.assertEqual(self.sent().state, InvitationState.WAITING)
            self.assertIn(f"status {status}", self.invitation.error)
            self.assertGreater((self.invitation.due_at - timezone.now()).total_seconds(), 590)
        self.assertEqual(self.sent().state, InvitationState.SENT)
        self.assertEqual(len(self.gateway.texts), 1)

    def test_a_lost_answer_is_asked_again_under_the_same_name(self) -> None:
        self.gateway.fail(202, b"{}", is_cut=True, takes_it=True)
        self.assertEqual(self.sent().state, InvitationState.WAITING)
        self.sent()
        self.assertEqual(len({text.given["client_ref"] for text in self.gateway.texts}), 1)

    def test_a_gateway_that_is_silent_or_down_is_asked_again(self) -> None:
        self.gateway.fail(202, delay=1.0)
        with mock.patch.object(sms_gateway, "TIMEOUT_SECONDS", 0.2):
            self.assertEqual(self.sent().state, InvitationState.WAITING)
        self.assertIn("did not answer in time", self.invitation.error)
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            with override_settings(SMS_URL=f"http://127.0.0.1:{unused.getsockname()[1]}/"):
                self.assertEqual(self.sent().state, InvitationState.WAITING)
        self.assertIn("could not be reached", self.invitation.error)

    # --- settings -----------------------------------------------------------------------------------------------------
    def test_a_worker_without_the_settings_fails_with_the_reason(self) -> None:
        with override_settings(SMS_URL=""):
            self.assert_failed("not set up on this server any more")

    def test_a_worker_with_wrong_settings_too(self) -> None:
        with override_settings(SMS_FORMAT="xml"):
            self.assert_failed("SMS_FORMAT is neither json nor form")


class SettingsTest(AccountTestCase):
    GOOD = {"SMS_URL": "https://sms.example.com/", "SMS_FIELDS": '{"a": ["{to}", 7, null], "b": {"c": "{text}"}}'}

    def test_nothing_is_no_gateway(self) -> None:
        self.assertIsNone(gateway())
        with override_settings(**self.GOOD):
            self.assertIsNotNone(gateway())

    def test_each_mistake_is_named_and_no_value_is_shown(self) -> None:
        for wrong, words in (
            ({"SMS_URL": "sms.example.com/SECRET"}, "SMS_URL is not an http or https address"),
            ({"SMS_URL": "https://[::1/SECRET"}, "SMS_URL is not an http or https address"),
            ({"SMS_URL": "https://host:SECRET/"}, "SMS_URL is not an http or https address"),
            ({"SMS_FORMAT": "xml"}, "SMS_FORMAT is neither json nor form"),
            ({"SMS_FIELDS": ""}, "SMS_FIELDS is not a JSON object"),
            ({"SMS_FIELDS": "[SECRET"}, "SMS_FIELDS is not a JSON object"),
            ({"SMS_FIELDS": '["{to}", "{text}"]'}, "SMS_FIELDS is not a JSON object"),
            ({"SMS_FIELDS": '{"to": "{to}"}'}, "SMS_FIELDS needs {to} or {digits}, and {text}"),
            ({"SMS_FIELDS": '{"t": "{text}"}'}, "SMS_FIELDS needs {to} or {digits}, and {text}"),
            ({"SMS_FIELDS": '{"t": "{to} {text} {number}"}'}, "unknown placeholder {number}"),
            ({"SMS_FIELDS": '{"t": "{to} {text} {sender}"}'}, "SMS_SENDER is not set"),
            ({"SMS_FORMAT": "form"}, "of a form holds something else than texts"),
            ({"SMS_AUTHORIZATION": "Bearer SECRET\nX: y"}, "SMS_AUTHORIZATION holds what cannot stand in a header"),
            ({"SMS_AUTHORIZATION": "Bearer SECRÉT"}, "SMS_AUTHORIZATION holds what cannot stand in a header"),
            ({"SMS_HEADERS": '{"X Y": "SECRET"}'}, "SMS_HEADERS holds what cannot stand in a header"),
            ({"SMS_HEADERS": '{"X": 7}'}, "SMS_HEADERS holds what cannot stand in a header"),
            ({"SMS_HEADERS": "SECRET"}, "SMS_HEADERS is not a JSON object"),
            ({"SMS_CA_FILE": "/nowhere/ca.pem"}, "SMS_CA_FILE names a file that does not exist"),
        ):
            with self.subTest(words), override_settings(**self.GOOD | wrong):
                with self.assertRaisesMessage(BadGatewaySettings, words) as caught:
                    gateway()
                self.assertNotIn("SECR", str(caught.exception))

    def test_secrets_do_not_stand_in_its_repr(self) -> None:
        with override_settings(**self.GOOD, SMS_AUTHORIZATION="Bearer SECRET", SMS_CA_FILE=str(Path(__file__))):
            self.assertNotIn("SECRET", repr(gateway()))


class TextTest(AccountTestCase):
    def text(self, name: str, **fields: object) -> str:
        self.account.name = name
        self.account.save()
        enrollment = make_enrollment(self.account, **fields)
        invitation = make_invitation(enrollment, kind=InvitationKind.SMS, contact=NUMBER)
        text = text_of(Invitation.objects.select_related("account", "enrollment").get(pk=invitation.pk))
        self.assertEqual(text.count("http"), 1)
        self.assertIn(enrollment.url, text)
        return text

    def test_it_is_short_and_has_one_link(self) -> None:
        text = self.text("Acme")
        self.assertTrue(text.startswith("Acme invites you to set up your iPhone, iPad or Mac for work."))
        self.assertLessEqual(parts(text), 2)
        one_time = self.text("Acme", device=make_device(self.account, enrolled=False))
        self.assertIn("works for one device", one_time)

    @override_settings(BASE_URL="https://device-management.it.example-organisation.com")
    def test_it_fits_two_parts_whatever_the_account_is_called(self) -> None:
        for name in ("Acme", "Ł" * 100, "Brot & Söhne\n" * 20, "学校" * 50, "🍎" * 60, "€" * 150):
            with self.subTest(name[:5]):
                text = self.text(name[:200])
                self.assertLessEqual(parts(text), 2, text)
                self.assertNotIn("\n", text)

    def test_parts_are_counted_as_networks_do(self) -> None:
        for text, count in (
            ("a" * 160, 1),
            ("a" * 161, 2),
            ("a" * 306, 2),
            ("a" * 307, 3),
            ("€" * 80, 1),
            ("€" * 81, 2),
            ("Ł" * 70, 1),
            ("Ł" * 71, 2),
            ("🍎" * 36, 2),
        ):
            self.assertEqual(parts(text), count, text[:3])
