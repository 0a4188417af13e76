"""Requests through mdmcert.download, against a real server that plays it."""

import base64
import json
from datetime import timedelta
from functools import cache
from unittest.mock import patch

from cryptography import x509
from django.db import IntegrityError, connection
from django.test import override_settings
from django.utils import timezone

from mdm.accounts.actors import Actor, Source
from mdm.accounts.models import Account
from mdm.common import certs
from mdm.events.models import Event
from mdm.push import mdmcert, signing
from mdm.push.certificates import request_certificate
from mdm.push.mailed import MailedFileError
from mdm.push.models import OrderState, PushRequest, SigningAccess, SigningOrder
from mdm.push.signing import (
    MOST_ATTEMPTS,
    NoSigningKey,
    OrderError,
    cancel_order,
    forget_api_key,
    newest_order,
    order_signature,
    send_due,
    take_mailed_file,
)
from mdm.push.tasks import send_signing_orders
from tests.base import AccountTestCase
from tests.fakes.mdmcert import API_KEY, FakeMdmcert, encrypted
from tests.fakes.vendor import Vendor

EMAIL = "mdm@acme.example"
PERSON = Actor(Source.ADMIN, "owner@example.com")


@cache
def vendor() -> Vendor:
    """One for all tests: its key takes a while."""
    return Vendor()


class SigningTestCase(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.service = self.enterContext(FakeMdmcert(vendor=vendor()))
        self.enterContext(override_settings(MDMCERT_URL=self.service.url, MDMCERT_API_KEY=API_KEY))
        self.request = request_certificate(self.account, email=EMAIL)

    def order(self, **options: object) -> SigningOrder:
        return order_signature(self.account, **({"email": EMAIL, "actor": PERSON} | options))

    def due_now(self) -> None:
        SigningOrder.objects.filter(state=OrderState.WAITING).update(due_at=timezone.now() - timedelta(seconds=1))

    def now(self) -> SigningOrder:
        return newest_order(self.account)

    def events(self, name: str) -> list[Event]:
        return list(Event.objects.for_account(self.account).filter(event_type=f"push_certificate.{name}"))


class OrderTest(SigningTestCase):
    def test_it_waits_as_a_row_until_the_worker_sends_it(self) -> None:
        self.order()
        self.assertEqual(self.service.requests, [])
        self.assertEqual(self.now().state, OrderState.WAITING)
        self.assertEqual(send_signing_orders(), 1)
        self.assertEqual((self.now().state, self.now().due_at), (OrderState.SENT, None))
        self.assertEqual(send_signing_orders(), 0)
        self.assertEqual(len(self.service.requests), 1)
        self.assertEqual(self.events("signing_requested")[0].actor_label, PERSON.label)
        self.assertEqual(len(self.events("signing_sent")), 1)

    def test_the_worker_is_told_at_once(self) -> None:
        with self.captureOnCommitCallbacks(execute=True):
            self.order()
        self.assertEqual(self.now().state, OrderState.SENT)

    def test_the_service_gets_request_address_key_and_a_certificate_to_encrypt_to(self) -> None:
        self.order()
        send_due()
        sent = self.service.requests[0]
        self.assertEqual(set(sent), {"csr", "email", "key", "encrypt"})
        self.assertEqual((sent["email"], sent["key"]), (EMAIL, API_KEY))
        csr = x509.load_pem_x509_csr(base64.b64decode(sent["csr"]))
        self.assertEqual(csr, x509.load_der_x509_csr(bytes(self.request.csr_der)))
        certificate = x509.load_pem_x509_certificate(base64.b64decode(sent["encrypt"]))
        key = certs.key_from_pem(SigningOrder.objects.get().key_pem.encode())
        self.assertTrue(certs.matches(certificate, key))
        self.assertEqual(self.service.user_agents, ["Pomona"])

    def test_without_a_request_one_is_made_with_the_address(self) -> None:
        PushRequest.objects.all().delete()
        self.order()
        request = PushRequest.objects.get()
        self.assertEqual((request.email, self.now().request_id), (EMAIL, request.pk))
        self.assertEqual(len(self.events("requested")), 2)

    def test_only_one_at_a_time_can_wait_in_an_account(self) -> None:
        self.order()
        with self.assertRaisesMessage(OrderError, "on its way"):
            self.order()
        self.assertEqual(SigningOrder.objects.count(), 1)
        order_signature(self.other_account, email=EMAIL)
        with self.assertRaises(IntegrityError):
            SigningOrder.objects.create(account=self.account, request=self.request, email=EMAIL)

    def test_once_sent_it_can_be_sent_again_and_the_last_five_are_kept(self) -> None:
        for _ in range(7):
            self.order()
            send_due()
        self.assertEqual(SigningOrder.objects.count(), 5)
        self.assertEqual(len(self.service.mails), 7)

    def test_without_a_key_nothing_is_ordered(self) -> None:
        with override_settings(MDMCERT_API_KEY=""), self.assertRaises(NoSigningKey):
            self.order()
        self.assertFalse(SigningOrder.objects.exists())
        self.assertFalse(SigningAccess.objects.exists())

    def test_an_account_may_have_a_key_of_its_own_which_is_kept_encrypted(self) -> None:
        self.service.api_keys = {"own key"}
        with override_settings(MDMCERT_API_KEY=""):
            self.order(api_key="own key")
            send_due()
            self.assertEqual(self.now().state, OrderState.SENT)
            self.order()
            send_due()
        self.assertEqual([sent["key"] for sent in self.service.requests], ["own key"] * 2)
        with connection.cursor() as cursor:
            cursor.execute("SELECT api_key FROM mdm_push_signingaccess")
            self.assertNotIn(b"own key", bytes(cursor.fetchone()[0]))
        self.assertEqual(len(self.events("signing_key_stored")), 1)
        self.assertEqual([forget_api_key(self.account, actor=PERSON) for _ in range(2)], [True, False])
        self.assertEqual(SigningAccess.objects.get().email, EMAIL)
        self.assertFalse(forget_api_key(self.other_account, actor=PERSON))

    def test_cancelled_it_is_not_sent(self) -> None:
        self.order()
        self.assertEqual([cancel_order(self.account, actor=PERSON) for _ in range(2)], [True, False])
        self.assertEqual((send_due(), self.service.requests), (0, []))
        self.assertEqual((self.now().state, self.now().error), (OrderState.FAILED, "It was cancelled."))
        self.assertEqual(len(self.events("signing_cancelled")), 1)

    def test_no_secret_stands_in_log_and_events(self) -> None:
        self.service.fail(400, json.dumps({"result": "failure", "reason": f"{API_KEY} is not known"}).encode())
        with self.assertLogs("pomona.peers", "INFO") as logs:
            self.order()
            send_due()
        told = json.dumps([event.metadata for event in Event.objects.all()]) + " ".join(logs.output)
        self.assertNotIn(API_KEY, told + self.now().error)
        self.assertNotIn("PRIVATE KEY", told)
        self.assertIn("path=/api/v1/signrequest status=400", told)


class FaultTest(SigningTestCase):
    """Whatever happens on the way, the end is the same: sent once it can be, or failed with words."""

    def test_busy_or_broken_it_is_tried_again_later(self) -> None:
        self.order()
        faults = [
            {"status": 429},
            {"status": 503},
            {"status": 500, "body": b"<html>"},
            {"status": 200, "body": b'{"result": "suc', "is_cut": True},
            {"status": 200, "body": b"<html>a proxy</html>"},
            {"status": 200, "body": b"[]"},
        ]
        waits = []
        for fault in faults:
            with self.subTest(fault):
                self.service.fail(**fault)
                self.due_now()
                self.assertEqual(send_due(), 1)
                row = self.now()
                self.assertEqual(row.state, OrderState.WAITING)
                self.assertTrue(row.error)
                waits.append((row.due_at - timezone.now()).total_seconds())
                self.assertEqual(send_due(), 0)
        for wait, expected in zip(waits, (60, 120, 240, 480, 960, 1920), strict=True):
            self.assertAlmostEqual(wait, expected, delta=expected * 0.15)
        self.due_now()
        send_due()
        self.assertEqual((self.now().state, self.now().error), (OrderState.SENT, ""))
        self.assertEqual(len(self.events("signing_sent")), 1)
        self.assertEqual(self.events("signing_failed"), [])

    def test_retry_after_is_obeyed(self) -> None:
        self.order()
        self.service.fail(429, headers={"Retry-After": "7200"})
        send_due()
        self.assertGreaterEqual((self.now().due_at - timezone.now()).total_seconds(), 7190)

    def test_a_service_that_does_not_answer_in_time_is_tried_again(self) -> None:
        self.order()
        self.service.fail(200, delay=1.0)
        with patch.object(signing, "ask_for_signature", impatient):
            send_due()
        self.assertIn("did not answer in time", self.now().error)
        self.due_now()
        send_due()
        self.assertEqual(self.now().state, OrderState.SENT)

    def test_an_answer_that_is_lost_costs_a_second_mail_and_no_more(self) -> None:
        self.order()
        self.service.fail(200, b'{"result"', is_cut=True, takes_it=True)
        send_due()
        self.due_now()
        send_due()
        self.assertEqual(len(self.service.mails), 2)
        for mail in self.service.mails:
            self.assertEqual(take_mailed_file(self.account, mail.file).state, OrderState.ANSWERED)

    def test_nobody_there_is_tried_again_and_given_up_in_the_end(self) -> None:
        self.order()
        with override_settings(MDMCERT_URL="http://127.0.0.1:9"):
            for _ in range(MOST_ATTEMPTS):
                self.assertEqual(self.now().state, OrderState.WAITING)
                self.due_now()
                send_due()
        self.assertEqual(self.now().state, OrderState.FAILED)
        self.assertIn(f"tried {MOST_ATTEMPTS} times", self.now().error)
        self.assertEqual(len(self.events("signing_failed")), 1)

    def test_a_refusal_ends_it_with_the_reason(self) -> None:
        for fault, words in (
            ((403, b'{"result": "failure", "reason": "Invalid API key"}'), "Invalid API key."),
            ((200, b'{"result": "failure", "reason": "Address\\n not registered."}'), "Address not registered."),
            ((200, b'{"result": "failure"}'), "status 200."),
            ((400, b"Bad Request"), "status 400."),
            ((404, b'{"reason": 7, "error": "no such thing"}'), "no such thing."),
        ):
            with self.subTest(words):
                self.service.fail(*fault)
                self.order()
                send_due()
                self.assertEqual(self.now().state, OrderState.FAILED)
                self.assertTrue(self.now().error.endswith(words), self.now().error)
        self.assertEqual(len(self.events("signing_failed")), 5)

    def test_the_fake_refuses_unknown_keys_and_addresses(self) -> None:
        self.service.registered = {"somebody@acme.example"}
        self.order()
        send_due()
        self.assertIn("not registered", self.now().error)
        self.order(api_key="unknown")
        send_due()
        self.assertIn("Invalid API key", self.now().error)

    def test_a_worker_that_died_delays_it(self) -> None:
        self.order()
        self.assertIsNotNone(signing._claim())
        self.assertEqual(send_due(), 0)  # somebody else's, for now
        self.due_now()
        self.assertEqual(send_due(), 1)
        self.assertEqual(self.now().state, OrderState.SENT)

    def test_what_was_cancelled_while_it_was_sent_stays_cancelled(self) -> None:
        self.order()

        def cancelled_meanwhile(*arguments: object, **options: object) -> None:
            mdmcert.ask_for_signature(*arguments, **options)
            cancel_order(self.account, actor=PERSON)

        with patch.object(signing, "ask_for_signature", cancelled_meanwhile):
            send_due()
        self.assertEqual(self.now().state, OrderState.FAILED)
        self.assertEqual(self.events("signing_sent"), [])
        # The mail can be opened all the same.
        self.assertEqual(take_mailed_file(self.account, self.service.mails[0].file).state, OrderState.ANSWERED)

    def test_one_that_raises_delays_nobody_else(self) -> None:
        self.order()
        order_signature(self.other_account, email=EMAIL)
        outcomes = [RuntimeError("a fault of ours"), None]
        with (
            patch.object(signing, "ask_for_signature", side_effect=outcomes),
            self.assertLogs("pomona.push", "ERROR"),
        ):
            self.assertEqual(send_due(), 2)
        states = set(SigningOrder.objects.values_list("state", flat=True))
        self.assertEqual(states, {OrderState.WAITING, OrderState.SENT})


def impatient(*arguments: object, **options: object) -> None:
    mdmcert.ask_for_signature(*arguments, timeout=0.3, **options)


class MailedFileTest(SigningTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.order()
        send_due()
        self.mail = self.service.mails[0]

    def refused(self, words: str, file: bytes, account: Account | None = None) -> None:
        with self.assertRaisesMessage(MailedFileError, words):
            take_mailed_file(account or self.account, file)
        self.assertNotEqual(self.now().state, OrderState.ANSWERED)

    def sealed(self, content: bytes) -> bytes:
        order = SigningOrder.objects.get()
        return encrypted(content, x509.load_pem_x509_certificate(order.certificate_pem.encode()))

    def test_it_is_opened_and_kept_for_the_portal(self) -> None:
        self.assertEqual((self.mail.to, self.mail.name[-13:]), (EMAIL, ".plist.b64.p7"))
        order = take_mailed_file(self.account, self.mail.file, actor=PERSON)
        self.assertEqual(order.state, OrderState.ANSWERED)
        expected = self.service.signed(x509.load_der_x509_csr(bytes(self.request.csr_der)))
        self.assertEqual(order.signed_request.encode(), expected.replace(b"\n", b""))
        self.assertEqual(self.events("signing_received")[0].actor_label, PERSON.label)

    def test_the_same_file_again_changes_nothing(self) -> None:
        take_mailed_file(self.account, self.mail.file)
        take_mailed_file(self.account, self.mail.file)
        self.assertEqual(len(self.events("signing_received")), 1)

    def test_raw_and_base64_are_taken_as_well(self) -> None:
        message = bytes.fromhex(self.mail.file.decode())
        for file in (message, base64.encodebytes(message)):
            self.assertEqual(take_mailed_file(self.account, file).state, OrderState.ANSWERED)

    def test_the_mail_of_an_earlier_order_is_opened(self) -> None:
        self.order()
        send_due()
        take_mailed_file(self.account, self.mail.file)
        self.assertEqual(self.now().state, OrderState.SENT)
        self.assertIsNotNone(newest_order(self.account, is_answered=True))

    def test_another_accounts_mail_is_not_opened(self) -> None:
        self.refused("No key of this account opens the file", self.mail.file, self.other_account)

    def test_a_damaged_file_is_refused(self) -> None:
        message = bytearray(bytes.fromhex(self.mail.file.decode()))
        self.refused("No key of this account opens", bytes(message[: len(message) // 2]).hex().encode())
        message[-20] ^= 1
        self.refused("", bytes(message))
        self.refused("not the file from the e-mail", b"Dear Sir or Madam")

    def test_a_request_that_is_not_ours_is_refused(self) -> None:
        other = request_certificate(self.other_account, email=EMAIL)
        signed = self.service.signed(x509.load_der_x509_csr(bytes(other.csr_der)))
        self.refused("another certificate request", self.sealed(signed))
        self.refused("no signed request is inside", self.sealed(b"rubbish"))

    def test_with_the_certificate_uploaded_the_orders_are_gone(self) -> None:
        PushRequest.objects.filter(account=self.account).delete()
        self.assertIsNone(self.now())
