"""Hostile and broken requests: each has its status, and none of them changes anything."""

import base64
import plistlib
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.apps import apps
from django.http import HttpResponse
from django.utils import timezone

from enrollment.models import IdentityCertificate
from enrollment.services.ca import revoke_identity
from mdm.accounts.actors import SYSTEM
from mdm.accounts.scoping import AccountScoped
from mdm.events.models import Event
from tests.factories import make_command
from tests.mdm.endpoints.base import DeviceTestCase, ForeignAuthority
from tests.mdm.endpoints.signed_device import CHECKIN, CONNECT, SignedDevice, mdm_signature

ENTITIES = b"""<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<plist version="1.0"><dict><key>Status</key><string>&b;</string><key>UDID</key><string>X</string></dict></plist>"""
EXTERNAL = b"""<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<plist version="1.0"><dict><key>MessageType</key><string>&a;</string><key>UDID</key><string>X</string></dict></plist>"""


def everything() -> dict[str, list]:
    """Every row of every model but the log, each as a list of its values."""
    models = [model for model in apps.get_models() if issubclass(model, AccountScoped) and model is not Event]
    return {model._meta.label: list(model.objects.order_by("pk").values_list()) for model in models}


class BadInputTestCase(DeviceTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = self.enrolled_device()
        self.device.idle()
        make_command(self.device.channel)
        self.before = everything()

    def assert_refused(self, response: HttpResponse, status: int) -> None:
        self.assertEqual(response.status_code, status, response.content)
        self.assertEqual(everything(), self.before)

    def idle_body(self, **keys: object) -> bytes:
        return plistlib.dumps({"Status": "Idle", **self.device.ids, **keys})


class SignatureTest(BadInputTestCase):
    def test_an_unsigned_body_is_400_on_both_urls(self) -> None:
        for path in (CHECKIN, CONNECT):
            response = self.device.put(path, self.idle_body(), headers={"Mdm-Signature": None})
            self.assert_refused(response, 400)

    def test_a_signature_over_another_body_is_400(self) -> None:
        signature = mdm_signature(b"something else", self.device.certificate, self.device.key)
        self.assert_refused(self.device.put(CONNECT, self.idle_body(), headers={"Mdm-Signature": signature}), 400)

    def test_a_signature_of_another_key_is_400(self) -> None:
        other = self.new_device()
        self.before = everything()
        forged = mdm_signature(self.idle_body(), self.device.certificate, other.key)
        self.assert_refused(self.device.put(CONNECT, self.idle_body(), headers={"Mdm-Signature": forged}), 400)

    def test_signatures_that_are_none_are_400(self) -> None:
        good = mdm_signature(self.idle_body(), self.device.certificate, self.device.key)
        for header in ("AAAA", "not base64!", good[:-40], good[40:], "MIAGCSqGSIb3DQEHAqCA" * 3, "A" * 70_000, "="):
            response = self.device.put(CONNECT, self.idle_body(), headers={"Mdm-Signature": header})
            self.assert_refused(response, 400)

    def test_a_certificate_of_a_version_that_does_not_exist_is_400(self) -> None:
        signature = base64.b64decode(mdm_signature(self.idle_body(), self.device.certificate, self.device.key))
        der = self.device.certificate.public_bytes(Encoding.DER)
        odd = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1)
        headers = {"Mdm-Signature": base64.b64encode(signature.replace(der, odd)).decode()}
        self.assert_refused(self.device.put(CONNECT, self.idle_body(), headers=headers), 400)


class CertificateTest(BadInputTestCase):
    def test_a_foreign_cas_certificate_is_403(self) -> None:
        stranger = ForeignAuthority().device(udid=self.device.device_key)
        self.assert_refused(stranger.connect("Idle"), 403)
        self.assert_refused(stranger.token_update(), 403)
        self.assert_refused(stranger.authenticate(), 403)
        self.assert_refused(stranger.check_out(), 403)

    def test_a_foreign_ca_of_the_same_name_is_403(self) -> None:
        issuer = self.device.certificate.issuer.get_attributes_for_oid(x509.oid.NameOID.COMMON_NAME)[0].value
        stranger = ForeignAuthority(issuer).device(udid=self.device.device_key)
        self.assert_refused(stranger.connect("Idle"), 403)
        self.assert_refused(stranger.authenticate(), 403)

    def test_another_devices_certificate_is_403_and_a_line_in_the_log(self) -> None:
        other = self.enrolled_device()
        other.idle()
        self.before = everything()
        for response in (
            self.device.connect("Idle", UDID=other.device_key),
            self.device.checkin("TokenUpdate", UDID=other.device_key, Topic="t", Token=b"x", PushMagic="m"),
            self.device.checkin("CheckOut", UDID=other.device_key, Topic="t"),
            self.device.user().checkin("TokenUpdate", UDID=other.device_key, Topic="t", Token=b"x", PushMagic="m"),
        ):
            self.assert_refused(response, 403)
        events = self.events("device.refused")
        self.assertEqual(len(events), 4)
        self.assertEqual({event.device for event in events}, {self.device.row})
        self.assertEqual(events[0].metadata["named"], other.device_key)
        self.assert_refused(self.device.authenticate(UDID=other.device_key), 403)

    def test_another_accounts_certificate_is_403(self) -> None:
        other = self.enrolled_device(account=self.other_account)
        self.before = everything()
        self.assert_refused(other.connect("Idle", UDID=self.device.device_key), 403)
        self.assert_refused(other.checkin("CheckOut", UDID=self.device.device_key, Topic="t"), 403)

    def test_a_certificate_that_was_never_bound_is_403(self) -> None:
        device = self.new_device(udid=self.device.device_key)
        self.before = everything()
        self.assert_refused(device.connect("Idle"), 403)
        self.assert_refused(device.token_update(), 403)
        self.assert_refused(device.check_out(), 403)

    def test_a_user_without_a_channel_is_403_on_connect(self) -> None:
        self.assert_refused(self.device.user().connect("Idle"), 403)

    def test_a_revoked_certificate_is_403(self) -> None:
        revoke_identity(self.identity_of(self.device), "stolen", SYSTEM)
        self.before = everything()
        self.assert_refused(self.device.connect("Idle"), 403)
        self.assert_refused(self.device.authenticate(), 403)

    def test_an_expired_certificate_is_403_at_authenticate(self) -> None:
        device = self.new_device()
        self.expire(device)
        self.before = everything()
        self.assert_refused(device.authenticate(), 403)

    def test_a_certificate_that_is_not_valid_yet_is_403_at_authenticate(self) -> None:
        device = self.new_device()
        IdentityCertificate.objects.filter(fingerprint=device.fingerprint).update(
            not_before=timezone.now() + timedelta(days=1)
        )
        self.before = everything()
        self.assert_refused(device.authenticate(), 403)


class BodyTest(BadInputTestCase):
    def send(self, body: bytes, path: str = CONNECT) -> HttpResponse:
        return self.device.put(path, body)

    def test_an_oversized_body_is_413(self) -> None:
        for path in (CHECKIN, CONNECT):
            with self.settings(DEVICE_BODY_MAX_BYTES=1000, DATA_UPLOAD_MAX_MEMORY_SIZE=1000):
                self.assert_refused(self.send(self.idle_body(Padding="x" * 1000), path), 413)

    def test_an_announced_size_is_believed_before_anything_is_read(self) -> None:
        response = self.device.put(CONNECT, self.idle_body(), CONTENT_LENGTH="99999999999")
        self.assert_refused(response, 413)

    def test_what_is_no_property_list_is_400(self) -> None:
        for body in (
            b"",
            b"{}",
            b"Status=Idle",
            b"bplist00",
            b"\x00" * 100,
            b"<plist",
            b"<plist><dict></plist>",
            b"\xff",
        ):
            self.assert_refused(self.send(body), 400)
            self.assert_refused(self.send(body, CHECKIN), 400)

    def test_a_property_list_that_is_no_dictionary_is_400(self) -> None:
        for value in ([], "Idle", 1, ["MessageType"]):
            self.assert_refused(self.send(plistlib.dumps(value)), 400)

    def test_entity_declarations_are_400(self) -> None:
        for body in (ENTITIES, EXTERNAL):
            self.assert_refused(self.send(body), 400)
            self.assert_refused(self.send(body, CHECKIN), 400)

    def test_deep_nesting_is_400(self) -> None:
        deep = b"<array>" * 5000 + b"</array>" * 5000
        body = b"<plist><dict><key>MessageType</key>" + deep + b"</dict></plist>"
        self.assert_refused(self.send(body), 400)

    def test_an_unknown_message_type_is_400(self) -> None:
        for message_type in ("Whatever", "authenticate", ""):
            self.assert_refused(self.device.checkin(message_type), 400)

    def test_reports_with_wrong_types_are_400(self) -> None:
        ids = self.device.ids
        for message in (
            {},
            {"Status": "Idle"},
            {"UDID": ids["UDID"]},
            {"Status": "Dancing", **ids},
            {"Status": ["Idle"], **ids},
            {"Status": "Acknowledged", **ids},
            {"Status": "Acknowledged", "CommandUUID": "", **ids},
            {"Status": "Acknowledged", "CommandUUID": 7, **ids},
            {"Status": "Acknowledged", "CommandUUID": "x" * 65, **ids},
            {"Status": "Acknowledged", "CommandUUID": "a\nb", **ids},
            {"Status": "Idle", "UDID": 7},
            {"Status": "Idle", "UDID": "x" * 129},
            {"Status": "Idle", "UserID": b"bytes", **ids},
        ):
            self.assert_refused(self.device.send(CONNECT, message), 400)

    def test_check_ins_with_wrong_types_are_400(self) -> None:
        good = {"Topic": "com.apple.mgmt.x", "Token": b"t", "PushMagic": "m"}
        for message_type, keys in (
            ("Authenticate", {}),
            ("Authenticate", {"Topic": 1}),
            ("Authenticate", {"Topic": "t", "SerialNumber": b"bytes"}),
            ("Authenticate", {"Topic": "t", "OSVersion": 17.5}),
            ("TokenUpdate", good | {"Topic": ""}),
            ("TokenUpdate", good | {"Topic": "t" * 256}),
            ("TokenUpdate", good | {"Token": "text"}),
            ("TokenUpdate", good | {"Token": b"t" * 9000}),
            ("TokenUpdate", good | {"PushMagic": ["m"]}),
            ("TokenUpdate", good | {"PushMagic": "m" * 256}),
            ("TokenUpdate", good | {"PushMagic": "a\nb"}),
            ("TokenUpdate", good | {"UnlockToken": "text"}),
            ("TokenUpdate", good | {"AwaitingConfiguration": "yes"}),
            ("SetBootstrapToken", {"BootstrapToken": 1}),
            ("SetBootstrapToken", {"BootstrapToken": b"x" * 9000}),
            ("GetToken", {}),
            ("DeclarativeManagement", {}),
            ("DeclarativeManagement", {"Endpoint": "status", "Data": "text"}),
        ):
            with self.subTest(message_type=message_type, keys=str(keys)[:60]):
                self.assert_refused(self.device.checkin(message_type, **keys), 400)

    def test_lone_surrogates_in_a_binary_property_list_are_400(self) -> None:
        body = plistlib.dumps({"Status": "Idle", "UDID": "\u4e2d\u4e2d"}, fmt=plistlib.FMT_BINARY)
        self.assert_refused(self.send(body.replace(b"\x4e\x2d\x4e\x2d", b"\xd8\x00\x4e\x2d")), 400)


class MethodTest(BadInputTestCase):
    def test_other_methods_are_405(self) -> None:
        for method in ("GET", "HEAD", "DELETE", "PATCH", "OPTIONS"):
            for path in (CHECKIN, CONNECT):
                response = self.device.http.generic(method, path)
                self.assert_refused(response, 405)
                self.assertEqual(response["Allow"], "PUT, POST")

    def test_post_is_taken_like_put(self) -> None:
        body = self.idle_body()
        headers = {"Mdm-Signature": mdm_signature(body, self.device.certificate, self.device.key)}
        response = self.device.http.generic("POST", CONNECT, body, content_type="application/xml", headers=headers)
        self.assertEqual(response.status_code, 200)

    def test_an_unknown_device_url_is_404_without_a_word(self) -> None:
        for path in ("/mdm/", "/mdm/checkin/a/b", "/mdm/other"):
            response = self.device.http.generic("PUT", path, self.idle_body())
            self.assertEqual((response.status_code, response.content), (404, b""))

    def test_device_urls_set_no_cookie(self) -> None:
        self.assertEqual(dict(self.device.connect("Idle").cookies), {})


class NeverByAccidentTest(BadInputTestCase):
    def test_no_refusal_is_a_401(self) -> None:
        """A 401 would make the device remove its management."""
        stranger = ForeignAuthority().device(udid=self.device.device_key)
        expired = self.new_device()
        self.expire(expired)
        devices: list[SignedDevice] = [stranger, expired, self.new_device(), self.device.user()]
        for device in devices:
            for response in (
                device.connect("Idle"),
                device.authenticate(UDID="SOMEBODY-ELSE"),
                device.check_out(),
                device.checkin("Whatever"),
                device.put(CONNECT, b"rubbish"),
                device.put(CONNECT, b"rubbish", headers={"Mdm-Signature": None}),
            ):
                self.assertNotEqual(response.status_code, 401)
                self.assertLess(response.status_code, 500)
