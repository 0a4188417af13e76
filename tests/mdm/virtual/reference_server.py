"""A small device-management server for these tests, written from the RFCs and Apple's schema alone.

It shares nothing with the server of this project nor with the virtual devices, so that each can be held against it.
"""

import base64
import os
import plistlib
import threading
import uuid
from collections import defaultdict
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote_plus, urlsplit

import httpx
from asn1crypto import cms, core, csr
from asn1crypto import x509 as ax509
from cryptography import x509
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID

DER = serialization.Encoding.DER
TOPIC = "com.apple.mgmt.External.00000000-1111-2222-3333-444444444444"
ATTRIBUTE = "2.16.840.1.113733.1.9."
_keys = [rsa.generate_private_key(65537, 2048) for _ in range(2)]


def make_certificate(name, key, issuer=None, issuer_key=None, is_ca=False, serial=None):
    subject = name if isinstance(name, x509.Name) else x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    usage = dict.fromkeys(("content_commitment", "data_encipherment", "key_agreement", "crl_sign"), False)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key)
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(is_ca, None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                key_encipherment=True,
                key_cert_sign=is_ca,
                encipher_only=False,
                decipher_only=False,
                **usage,
            ),
            critical=True,
        )
    )
    return builder.sign(issuer_key, hashes.SHA256())


class ReferenceServer:
    """Answers pages, SCEP, check-in and connect; keeps what it saw.

    queue: channel key → commands to hand out. Everything a test may want to bend is a plain attribute.
    """

    base = "http://mdm.test"

    def __init__(self, *, with_ra=False):
        self.ca_key = _keys[0]
        self.ca = make_certificate("Reference CA", self.ca_key.public_key(), issuer_key=self.ca_key, is_ca=True)
        self.ra_key, self.ra = self.ca_key, self.ca
        if with_ra:
            self.ra_key = _keys[1]
            self.ra = make_certificate("Reference RA", self.ra_key.public_key(), self.ca, self.ca_key)
        self.with_ra = with_ra
        self.caps = "POSTPKIOperation\nSHA-256\nAES\nRenewal\n"
        self.challenge = "let-me-in"
        self.pending = 0
        self.reply_overrides = {}
        self.fail_info = None
        self.one_time = False
        self.profile_overrides = {}
        self.scep_overrides = {}
        self.checkins, self.reports, self.scep_log = [], [], []
        self.queue = defaultdict(list)
        self.delivered = {}
        self.refuse_with = None
        self.user_authenticate_status = 410
        self.bootstrap = {}
        self.declarative = {}
        self.files = {}
        self.enrolled = 0
        self.waiting = {}
        self.lock = threading.Lock()

    # Plumbing

    def client(self):
        return httpx.Client(transport=httpx.MockTransport(self.handle), base_url=self.base)

    def handle(self, request):
        split = urlsplit(str(request.url))
        with self.lock:
            if split.path == "/e/":
                return self.page()
            if split.path == "/e/profile":
                return httpx.Response(
                    200, content=self.profile(), headers={"content-type": "application/x-apple-aspen-config"}
                )
            if split.path == "/scep":
                return self.scep(request, split.query)
            if split.path in ("/mdm/checkin", "/mdm/connect"):
                return self.mdm(request, split.path)
            if split.path in self.files:
                return httpx.Response(200, content=self.files[split.path])
            return httpx.Response(404)

    @contextmanager
    def serve(self):
        """The same over a real socket; yields the base URL."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                answer = outer.handle(
                    httpx.Request(self.command, outer.base + self.path, headers=dict(self.headers), content=body)
                )
                self.send_response(answer.status_code)
                for key, value in answer.headers.items():
                    if key != "content-length":
                        self.send_header(key, value)
                self.send_header("content-length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_PUT = do_POST = _any

            def log_message(self, *args):
                return

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.base = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self.base
        finally:
            server.shutdown()
            thread.join()
            server.server_close()

    # Enrollment

    @property
    def url(self):
        return f"{self.base}/e/?c=CODE"

    def page(self):
        if self.one_time and self.enrolled:
            return httpx.Response(410, text="This link has been used.")
        return httpx.Response(
            200, html='<a href="/">home</a> <a class="b" data-profile href="profile?c=CODE">Install</a>'
        )

    def profile(self, **changes):
        content = self.profile_content(**changes)
        builder = pkcs7.PKCS7SignatureBuilder().set_data(plistlib.dumps(content))
        return builder.add_signer(self.ca, self.ca_key, hashes.SHA256()).sign(DER, [pkcs7.PKCS7Options.Binary])

    def profile_content(self, topic=TOPIC, challenge=None):
        scep = {
            "URL": f"{self.base}/scep?t=token",
            "Name": "Reference CA",
            "Keysize": 2048,
            "Key Type": "RSA",
            "Subject": [[["O", "Example"]], [["CN", "Device"]]],
            "Challenge": challenge or self.challenge,
        } | self.scep_overrides
        mdm = {
            "PayloadType": "com.apple.mdm",
            "PayloadIdentifier": "test.mdm",
            "PayloadUUID": str(uuid.uuid4()),
            "PayloadVersion": 1,
            "IdentityCertificateUUID": "scep-uuid",
            "Topic": topic,
            "ServerURL": f"{self.base}/mdm/connect",
            "CheckInURL": f"{self.base}/mdm/checkin",
            "SignMessage": True,
            "AccessRights": 8191,
            "CheckOutWhenRemoved": True,
            "ServerCapabilities": ["com.apple.mdm.per-user-connections", "com.apple.mdm.bootstraptoken"],
        } | self.profile_overrides
        payloads = [
            {
                "PayloadType": "com.apple.security.scep",
                "PayloadIdentifier": "test.scep",
                "PayloadUUID": "scep-uuid",
                "PayloadVersion": 1,
                "PayloadContent": {k: v for k, v in scep.items() if v is not None},
            },
            {k: v for k, v in mdm.items() if v is not None},
        ]
        return {
            "PayloadType": "Configuration",
            "PayloadIdentifier": "test.enrollment",
            "PayloadUUID": str(uuid.uuid4()),
            "PayloadVersion": 1,
            "PayloadDisplayName": "Test",
            "PayloadContent": payloads,
        }

    # SCEP

    def scep(self, request, query):
        values = parse_qs(query.split("&message=")[0])
        assert values["t"] == ["token"], "the profile's own query must survive"
        operation = values["operation"][0]
        if operation == "GetCACaps":
            return httpx.Response(200, text=self.caps)
        if operation == "GetCACert":
            return self.ca_answer()
        assert operation == "PKIOperation"
        text = (
            unquote_plus(query.split("&message=")[1]).replace("-", "+").replace("_", "/")
            if "&message=" in query
            else None
        )
        if request.method == "POST":
            body = request.content
            assert text is None or base64.b64decode(text) == body
            shape = "post" if text is None else "post-query"
        else:
            body, shape = base64.b64decode(text), "get"
        return httpx.Response(200, content=self.pki(body, shape), headers={"content-type": "application/x-pki-message"})

    def ca_answer(self):
        if self.with_ra:
            bag = pkcs7.serialize_certificates([self.ra, self.ca], DER)
            return httpx.Response(200, content=bag, headers={"content-type": "application/x-x509-ca-ra-cert"})
        return httpx.Response(
            200, content=self.ca.public_bytes(DER), headers={"content-type": "application/x-x509-ca-cert"}
        )

    def pki(self, body, shape):
        signed, attributes, signer, digest = verify_cms(body)
        kind = attributes[ATTRIBUTE + "2"]
        transaction, nonce = attributes[ATTRIBUTE + "7"], attributes[ATTRIBUTE + "5"]
        content, cipher = self.decrypt(signed["encap_content_info"]["content"].native)
        self.scep_log.append({"type": kind, "shape": shape, "cipher": cipher, "digest": digest, "signer": signer})
        if kind == "20":
            names = core.Sequence.load(content)
            assert ax509.Name.load(names[0].dump()).native["common_name"] == "Reference CA"
            request = self.waiting[transaction]
        else:
            request = x509.load_der_x509_csr(content)
            self.check_request(kind, content, request, signer)
        if self.fail_info is not None:
            return self.cert_rep(transaction, nonce, "2", b"", fail_info=self.fail_info)
        if self.pending:
            self.pending -= 1
            self.waiting[transaction] = request
            return self.cert_rep(transaction, nonce, "3", b"")
        issued = self.issue(request)
        # The issued one alone: a DER SET OF is sorted, so "first" cannot be promised beside another.
        bag = pkcs7.serialize_certificates([issued], DER)
        envelope = pkcs7.PKCS7EnvelopeBuilder().set_data(bag).add_recipient(signer)
        envelope = envelope.set_content_encryption_algorithm(algorithms.AES128)
        return self.cert_rep(transaction, nonce, "0", envelope.encrypt(DER, [pkcs7.PKCS7Options.Binary]))

    def issue(self, request):
        return make_certificate(request.subject, request.public_key(), self.ca, self.ca_key)

    def check_request(self, kind, content, request, signer):
        assert request.is_signature_valid
        attributes = csr.CertificationRequest.load(content)["certification_request_info"]["attributes"]
        challenge = next((a["values"][0].native for a in attributes if a["type"].native == "challenge_password"), None)
        if kind == "19":
            assert challenge == self.challenge
            assert signer.issuer == signer.subject
            assert signer.public_key() == request.public_key()
        else:
            assert kind == "17"
            assert challenge is None
            signer.verify_directly_issued_by(self.ca)

    def decrypt(self, envelope):
        info = cms.ContentInfo.load(envelope)["content"]
        recipient = info["recipient_infos"][0].chosen
        assert recipient["rid"].chosen["serial_number"].native == self.ra.serial_number
        key = self.ra_key.decrypt(recipient["encrypted_key"].native, padding.PKCS1v15())
        algorithm = info["encrypted_content_info"]["content_encryption_algorithm"]
        iv = algorithm["parameters"].native
        kind = algorithm["algorithm"].native
        cipher = Cipher(
            algorithms.AES(key) if kind.startswith("aes") else TripleDES(key * 3 if kind == "des" else key),
            modes.CBC(iv),
        ).decryptor()
        padded = cipher.update(info["encrypted_content_info"]["encrypted_content"].native) + cipher.finalize()
        return padded[: -padded[-1]], kind

    def cert_rep(self, transaction, nonce, status, content, fail_info=None):
        values = {
            "1.2.840.113549.1.9.3": "data",
            "1.2.840.113549.1.9.4": core.OctetString(sha256(content).digest()),
            ATTRIBUTE + "2": core.PrintableString("3"),
            ATTRIBUTE + "3": core.PrintableString(status),
            ATTRIBUTE + "5": core.OctetString(os.urandom(16)),
            ATTRIBUTE + "6": core.OctetString(nonce),
            ATTRIBUTE + "7": core.PrintableString(transaction),
        }
        if fail_info is not None:
            values[ATTRIBUTE + "4"] = core.PrintableString(fail_info)
        values |= {ATTRIBUTE + row: core.PrintableString(value) for row, value in self.reply_overrides.items()}
        attributes = cms.CMSAttributes([{"type": oid, "values": [value]} for oid, value in values.items()])
        signature = self.ra_key.sign(attributes.dump(), padding.PKCS1v15(), hashes.SHA256())
        certificate = ax509.Certificate.load(self.ra.public_bytes(DER))
        number = {"issuer": certificate.issuer, "serial_number": certificate.serial_number}
        signer = {
            "version": "v1",
            "sid": {"issuer_and_serial_number": number},
            "digest_algorithm": {"algorithm": "sha256"},
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": "sha256_rsa"},
            "signature": signature,
        }
        signed = {
            "version": "v1",
            "digest_algorithms": [{"algorithm": "sha256"}],
            "encap_content_info": {"content_type": "data", "content": content},
            "certificates": [certificate],
            "signer_infos": [signer],
        }
        return cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump()

    # MDM

    def mdm(self, request, path):
        assert request.method == "PUT"
        header = base64.b64decode(request.headers["mdm-signature"])
        _, _, signer, digest = verify_cms(header, request.content)
        if self.refuse_with is not None:
            return self.refuse_with
        signer.verify_directly_issued_by(self.ca)
        message = plistlib.loads(request.content)
        record = {
            "message": message,
            "signer": signer,
            "digest": digest,
            "header": header,
            "content_type": request.headers["content-type"],
            "user_agent": request.headers["user-agent"],
        }
        if path == "/mdm/checkin":
            self.checkins.append(record)
            return self.checkin(message)
        self.reports.append(record)
        return self.connect(message)

    def checkin(self, message):
        kind = message["MessageType"]
        if kind == "Authenticate":
            self.enrolled += 1
        if kind == "UserAuthenticate":
            body = plistlib.dumps({"DigestChallenge": "nonce"}) if self.user_authenticate_status == 200 else b""
            return httpx.Response(self.user_authenticate_status, content=body)
        if kind == "SetBootstrapToken":
            self.bootstrap[message["UDID"]] = message.get("BootstrapToken")
        if kind == "GetBootstrapToken":
            return httpx.Response(
                200, content=plistlib.dumps({"BootstrapToken": self.bootstrap.get(message["UDID"]) or b""})
            )
        if kind == "GetToken":
            return httpx.Response(200, content=plistlib.dumps({"TokenData": message["TokenServiceType"].encode()}))
        if kind == "DeclarativeManagement":
            if message["Endpoint"] == "status":
                return httpx.Response(204 if self.declarative.get("bad") else 200)
            body = self.declarative.get(message["Endpoint"])
            return httpx.Response(404) if body is None else httpx.Response(200, json=body)
        return httpx.Response(200)

    def connect(self, message):
        key = message.get("UserShortName") or message.get("UDID") or message["EnrollmentID"]
        queue = self.queue[key]
        if message["Status"] != "Idle":
            done = [c for c in queue if c["CommandUUID"] == message["CommandUUID"]]
            if done and message["Status"] != "NotNow":
                queue.remove(done[0])
            elif done:
                done[0]["NotNow"] = True
        else:
            for command in queue:
                command.pop("NotNow", None)
        waiting = [c for c in queue if "NotNow" not in c]
        return httpx.Response(200, content=plistlib.dumps(waiting[0]) if waiting else b"")

    def enqueue(self, key, request_type, **keys):
        command = {"CommandUUID": str(uuid.uuid4()), "Command": {"RequestType": request_type, **keys}}
        self.queue[key].append(command)
        return command["CommandUUID"]


def verify_cms(message, detached=None):
    """(SignedData, attributes by dotted OID, signer certificate, digest name), signature verified."""
    signed = cms.ContentInfo.load(message)["content"]
    info = signed["signer_infos"][0]
    digest = info["digest_algorithm"]["algorithm"].native
    content = detached if detached is not None else signed["encap_content_info"]["content"].native
    number = info["sid"].chosen["serial_number"].native
    certificates = [x509.load_der_x509_certificate(c.chosen.dump()) for c in signed["certificates"]]
    signer = next(c for c in certificates if c.serial_number == number)
    attributes, data = {}, content
    if info["signed_attrs"]:
        data = b"\x31" + info["signed_attrs"].dump()[1:]
        attributes = {a["type"].dotted: a["values"][0].native for a in info["signed_attrs"]}
        stated = attributes["1.2.840.113549.1.9.4"]
        assert stated == {"sha1": sha1, "sha256": sha256}[digest](content).digest()
    algorithm = {"sha1": hashes.SHA1, "sha256": hashes.SHA256}[digest]()
    signer.public_key().verify(info["signature"].native, data, padding.PKCS1v15(), algorithm)
    return signed, attributes, signer, digest
