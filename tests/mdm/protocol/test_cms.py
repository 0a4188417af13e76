import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import algos, cms, core, parser
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs7
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from mdm.common import certs
from mdm.protocol.cms import Signer, open_signed, sign, verify_mdm_signature
from mdm.protocol.errors import BadSignature

BODY = b"<plist><dict><key>Status</key><string>Idle</string></dict></plist>"
NOW = datetime.now(UTC).replace(microsecond=0)
SIGNED_ATTRIBUTE_HASHES = {
    "sha1": hashes.SHA1(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


def issue(name, key, *, issuer=None, issuer_key=None, serial=None, with_key_identifier=True):
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Pomona"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
    )
    if with_key_identifier:
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return builder.sign(issuer_key or key, hashes.SHA256())


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
CA_KEY = ec.generate_private_key(ec.SECP256R1())
CA = issue("Authority", CA_KEY)
RSA_CERTIFICATE = issue("iPhone", RSA_KEY, issuer=CA, issuer_key=CA_KEY)
OTHER_CERTIFICATE = issue("Stranger", OTHER_KEY, issuer=CA, issuer_key=CA_KEY)
EC_CERTIFICATE = issue("Mac", EC_KEY, issuer=CA, issuer_key=CA_KEY)
IDENTITIES = {"rsa": (RSA_KEY, RSA_CERTIFICATE), "ec": (EC_KEY, EC_CERTIFICATE)}


def raw_signature(key, data, digest, pss):
    algorithm = SIGNED_ATTRIBUTE_HASHES[digest]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(algorithm))
    if pss:
        return key.sign(data, padding.PSS(padding.MGF1(algorithm), algorithm.digest_size), algorithm)
    return key.sign(data, padding.PKCS1v15(), algorithm)


def signature_algorithm(key, digest, pss, plain):
    """plain: the identifier names only the kind of key, as iPhones do."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return {"algorithm": f"{digest}_ecdsa"}
    if pss:
        mask = {"algorithm": "mgf1", "parameters": {"algorithm": digest}}
        size = SIGNED_ATTRIBUTE_HASHES[digest].digest_size
        parameters = {"hash_algorithm": {"algorithm": digest}, "mask_gen_algorithm": mask, "salt_length": size}
        return {"algorithm": "rsassa_pss", "parameters": parameters}
    return {"algorithm": "rsassa_pkcs1v15" if plain else f"{digest}_rsa"}


def attributes_for(body, digest, content_type="data"):
    return [
        {"type": "content_type", "values": [content_type]},
        {"type": "signing_time", "values": [cms.Time({"utc_time": NOW})]},
        {"type": "message_digest", "values": [hashlib.new(digest, body).digest()]},
        # An attribute that nobody knows, as Apple's signers add.
        {"type": "1.2.840.113635.100.9.1", "values": [core.OctetString(b"unknown")]},
    ]


def cms_message(
    identity="rsa",
    *,
    body=BODY,
    digest="sha256",
    attributes=None,
    pss=False,
    plain=True,
    by_key_identifier=False,
    null_parameters=True,
    content=None,
    certificates=None,
    signers=1,
    key=None,
):
    """A CMS signature built from asn1crypto's structures; attributes: list as of attributes_for, None signs the body."""
    own_key, certificate = IDENTITIES[identity] if isinstance(identity, str) else identity
    key = key or own_key
    parsed = asn1_x509.Certificate.load(der(certificate))
    signed_attributes = cms.CMSAttributes(attributes) if attributes is not None else None
    to_sign = signed_attributes.dump() if signed_attributes is not None else body
    digest_identifier = {"algorithm": digest} | ({"parameters": core.Null()} if null_parameters else {})
    if by_key_identifier:
        signer_id = cms.SignerIdentifier("subject_key_identifier", parsed.key_identifier)
    else:
        signer_id = cms.SignerIdentifier(
            "issuer_and_serial_number", {"issuer": parsed.issuer, "serial_number": parsed.serial_number}
        )
    signer = cms.SignerInfo(
        {
            "version": "v3" if by_key_identifier else "v1",
            "sid": signer_id,
            "digest_algorithm": algos.DigestAlgorithm(digest_identifier),
            "signature_algorithm": algos.SignedDigestAlgorithm(signature_algorithm(key, digest, pss, plain)),
            "signature": raw_signature(key, to_sign, digest, pss),
        }
    )
    if signed_attributes is not None:
        signer["signed_attrs"] = signed_attributes
    bag = [certificate] if certificates is None else certificates
    encapsulated = {"content_type": "data"} | ({} if content is None else {"content": content})
    signed = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [algos.DigestAlgorithm(digest_identifier)],
            "encap_content_info": encapsulated,
            "certificates": [asn1_x509.Certificate.load(der(item)) for item in bag],
            "signer_infos": [signer] * signers,
        }
    )
    return cms.ContentInfo({"content_type": "signed_data", "content": signed}).dump()


def indefinite(encoded: bytes, keep: tuple[bytes, ...] = (), chunk: int = 0) -> bytes:
    """Re-encode every constructed element with indefinite length, OCTET STRINGs in chunks, but not the elements in keep."""
    class_, constructed, tag, header, contents, _ = parser.parse(encoded)
    if encoded in keep:
        return encoded
    if not constructed:
        if (class_, tag) == (0, 4) and chunk and len(contents) > chunk:
            pieces = [parser.emit(0, 0, 4, contents[i : i + chunk]) for i in range(0, len(contents), chunk)]
            return b"\x24\x80" + b"".join(pieces) + b"\0\0"
        return encoded
    result = header[:1] + b"\x80"
    while contents:
        length = parser.peek(contents)
        result += indefinite(contents[:length], keep, chunk)
        contents = contents[length:]
    return result + b"\0\0"


def header(message: bytes) -> str:
    return base64.b64encode(message).decode()


def fingerprint(certificate: x509.Certificate) -> str:
    return hashlib.sha256(der(certificate)).hexdigest()


class TestWhatDevicesSend:
    @pytest.mark.parametrize("null_parameters", [True, False])
    @pytest.mark.parametrize("plain", [True, False])
    @pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
    @pytest.mark.parametrize("identity", ["rsa", "ec"])
    @pytest.mark.parametrize("with_attributes", [True, False])
    @pytest.mark.parametrize("ber", [True, False])
    def test_every_combination_is_accepted(self, identity, digest, plain, null_parameters, with_attributes, ber):
        attributes = attributes_for(BODY, digest) if with_attributes else None
        message = cms_message(
            identity, digest=digest, attributes=attributes, plain=plain, null_parameters=null_parameters
        )
        certificate = IDENTITIES[identity][1]
        if ber:
            message = indefinite(message, keep=(der(certificate),), chunk=20)
            assert message[1] == 0x80
        signer = verify_mdm_signature(header(message), BODY)
        assert signer == Signer(der(certificate), fingerprint(certificate))

    @pytest.mark.parametrize("digest", ["sha1", "sha256", "sha512"])
    @pytest.mark.parametrize("ber", [True, False])
    def test_rsa_pss(self, digest, ber):
        message = cms_message(digest=digest, pss=True)
        message = indefinite(message, keep=(der(RSA_CERTIFICATE),)) if ber else message
        assert verify_mdm_signature(header(message), BODY).fingerprint == fingerprint(RSA_CERTIFICATE)

    @pytest.mark.parametrize("ber", [True, False])
    def test_a_signer_named_by_key_identifier(self, ber):
        message = cms_message("ec", by_key_identifier=True)
        message = indefinite(message, keep=(der(EC_CERTIFICATE),)) if ber else message
        assert verify_mdm_signature(header(message), BODY).fingerprint == fingerprint(EC_CERTIFICATE)

    def test_a_key_identifier_that_the_certificate_does_not_spell_out(self):
        identifier = x509.SubjectKeyIdentifier.from_public_key(EC_KEY.public_key()).digest
        certificate = issue("Old Mac", EC_KEY, with_key_identifier=False)
        message = cms.ContentInfo.load(cms_message((EC_KEY, certificate)))
        message["content"]["signer_infos"][0]["sid"] = cms.SignerIdentifier("subject_key_identifier", identifier)
        assert verify_mdm_signature(header(message.dump(force=True)), BODY).certificate_der == der(certificate)

    def test_the_signer_is_picked_out_of_several_certificates(self):
        bag = [CA, OTHER_CERTIFICATE, EC_CERTIFICATE, RSA_CERTIFICATE]
        signer = verify_mdm_signature(header(cms_message(certificates=bag)), BODY)
        assert signer.fingerprint == fingerprint(RSA_CERTIFICATE)

    def test_the_issuer_may_be_spelled_in_another_string_type(self):
        message = cms.ContentInfo.load(cms_message())
        issuer = asn1_x509.Name.build({"organization_name": "Pomona", "common_name": "Authority"}, use_printable=True)
        message["content"]["signer_infos"][0]["sid"].chosen["issuer"] = issuer
        assert verify_mdm_signature(header(message.dump(force=True)), BODY).fingerprint == fingerprint(RSA_CERTIFICATE)

    def test_white_space_in_the_header(self):
        folded = base64.encodebytes(cms_message()).decode().replace("\n", "\r\n\t")
        assert verify_mdm_signature(f" {folded} ", BODY).fingerprint == fingerprint(RSA_CERTIFICATE)

    def test_a_copy_of_the_body_inside_is_tolerated(self):
        assert verify_mdm_signature(header(cms_message(content=BODY)), BODY)
        assert verify_mdm_signature(header(cms_message(content=b"")), BODY)

    @pytest.mark.parametrize("key", [RSA_KEY, EC_KEY])
    def test_another_implementation_agrees(self, key):
        certificate = RSA_CERTIFICATE if key is RSA_KEY else EC_CERTIFICATE
        options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
        for more in ([], [pkcs7.PKCS7Options.NoAttributes]):
            builder = pkcs7.PKCS7SignatureBuilder().set_data(BODY).add_signer(certificate, key, hashes.SHA384())
            message = builder.sign(serialization.Encoding.DER, options + more)
            assert verify_mdm_signature(header(message), BODY).fingerprint == fingerprint(certificate)

    def test_attributes_signed_in_the_order_they_were_sent(self):
        """Not DER, but signers exist that neither sort nor re-encode."""
        attributes = cms.CMSAttributes(attributes_for(BODY, "sha256"))
        members = sorted((item.dump() for item in attributes), reverse=True)
        as_sent = parser.emit(0, 1, 17, b"".join(members))
        assert as_sent != attributes.dump()
        in_order = cms_message(attributes=attributes_for(BODY, "sha256"))
        old_signature = cms.ContentInfo.load(in_order)["content"]["signer_infos"][0]["signature"].native
        new_signature = raw_signature(RSA_KEY, as_sent, "sha256", pss=False)
        message = in_order.replace(old_signature, new_signature).replace(attributes.dump()[1:], as_sent[1:])
        assert verify_mdm_signature(header(message), BODY)


class TestRefusal:
    @pytest.mark.parametrize("with_attributes", [True, False])
    @pytest.mark.parametrize("identity", ["rsa", "ec"])
    def test_another_body(self, identity, with_attributes):
        attributes = attributes_for(BODY, "sha256") if with_attributes else None
        message = header(cms_message(identity, attributes=attributes))
        for body in (BODY + b" ", BODY[:-1], b""):
            with pytest.raises(BadSignature, match="fit"):
                verify_mdm_signature(message, body)

    @pytest.mark.parametrize("with_attributes", [True, False])
    def test_a_key_that_is_not_the_certificates(self, with_attributes):
        attributes = attributes_for(BODY, "sha256") if with_attributes else None
        message = cms_message(attributes=attributes, key=OTHER_KEY)
        for encoded in (message, indefinite(message, keep=(der(RSA_CERTIFICATE),))):
            with pytest.raises(BadSignature, match="does not fit"):
                verify_mdm_signature(header(encoded), BODY)

    def test_a_signature_algorithm_that_does_not_match_the_key(self):
        with pytest.raises(BadSignature):
            verify_mdm_signature(header(cms_message("rsa", key=EC_KEY)), BODY)

    def test_an_altered_attribute(self):
        message = cms_message(attributes=attributes_for(BODY, "sha256")).replace(b"unknown", b"Unknown")
        with pytest.raises(BadSignature, match="does not fit"):
            verify_mdm_signature(header(message), BODY)

    def test_signed_attributes_without_or_with_wrong_digest_or_type(self):
        good = attributes_for(BODY, "sha256")
        cases = {
            "digest": [good[0], good[1]],
            "type is missing": good[1:],
            "another one": attributes_for(BODY, "sha256", content_type="encrypted_data"),
            "twice": [*good, {"type": "message_digest", "values": [b"x" * 32]}],
            "readable|checked": [good[0], {"type": "message_digest", "values": [good[2]["values"][0], b"x" * 32]}],
            "digest does": attributes_for(b"other", "sha256"),
        }
        for sentence, attributes in cases.items():
            with pytest.raises(BadSignature, match=sentence):
                verify_mdm_signature(header(cms_message(attributes=attributes)), BODY)

    def test_other_content_inside(self):
        with pytest.raises(BadSignature, match="other content"):
            verify_mdm_signature(header(cms_message(content=b"other")), BODY)

    def test_no_certificate_the_wrong_one_or_too_many(self):
        for bag in ([], [OTHER_CERTIFICATE, CA]):
            with pytest.raises(BadSignature, match="does not carry the certificate"):
                verify_mdm_signature(header(cms_message(certificates=bag)), BODY)
        with pytest.raises(BadSignature, match="more than 10"):
            verify_mdm_signature(header(cms_message(certificates=[RSA_CERTIFICATE] * 11)), BODY)

    @pytest.mark.parametrize("signers", [0, 2])
    def test_no_signer_or_two(self, signers):
        with pytest.raises(BadSignature, match="exactly once"):
            verify_mdm_signature(header(cms_message(signers=signers)), BODY)

    def test_md5(self):
        message = cms.ContentInfo.load(cms_message())
        message["content"]["signer_infos"][0]["digest_algorithm"] = {"algorithm": "md5"}
        with pytest.raises(BadSignature, match="digest"):
            verify_mdm_signature(header(message.dump(force=True)), BODY)

    def test_an_unknown_signature_algorithm(self):
        message = cms.ContentInfo.load(cms_message())
        message["content"]["signer_infos"][0]["signature_algorithm"] = {"algorithm": "sha256_dsa"}
        with pytest.raises(BadSignature, match="algorithm"):
            verify_mdm_signature(header(message.dump(force=True)), BODY)

    @pytest.mark.parametrize("value", ["", "====", "not base64!", "ümlaut", "AAAA", "MIAGCSqGSIb3DQEHAqCAMIAC"])
    def test_headers_that_are_nothing(self, value):
        with pytest.raises(BadSignature):
            verify_mdm_signature(value, BODY)

    def test_a_header_beyond_the_bound(self):
        with pytest.raises(BadSignature, match="longer"):
            verify_mdm_signature("A" * (64 * 1024 + 4), BODY)

    def test_every_truncation(self):
        for message in (cms_message(), indefinite(cms_message(), keep=(der(RSA_CERTIFICATE),))):
            for length in range(0, len(message) - 1, 3):
                with pytest.raises(BadSignature):
                    verify_mdm_signature(header(message[:length]), BODY)
            with pytest.raises(BadSignature):
                verify_mdm_signature(header(message + b"x"), BODY)

    def test_deep_nesting(self):
        for message in (b"\x30\x80" * 20_000, b"\x24\x80" * 20_000 + b"\0\0" * 20_000):
            with pytest.raises(BadSignature):
                verify_mdm_signature(header(message), BODY)
        nested = cms_message("ec", content=b"x")
        piece = b"\x04\x01x"
        for _ in range(3000):
            piece = parser.emit(0, 1, 4, piece)
        with pytest.raises(BadSignature):
            verify_mdm_signature(header(rewrap(nested, b"\x04\x01x", piece)), BODY)

    @given(st.binary(max_size=200))
    def test_garbage(self, data):
        with pytest.raises(BadSignature):
            verify_mdm_signature(header(data), BODY)

    @given(st.text(max_size=60))
    def test_garbage_text(self, value):
        with pytest.raises(BadSignature):
            verify_mdm_signature(value, BODY)

    @given(st.data())
    def test_a_damaged_signature_is_refused_or_still_says_who_signed(self, data):
        message = bytearray(SAMPLES[data.draw(st.integers(0, len(SAMPLES) - 1))])
        for _ in range(data.draw(st.integers(1, 3))):
            message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
        try:
            signer = verify_mdm_signature(header(bytes(message)), BODY)
        except BadSignature:
            return
        # The damage hit something that no signature covers; the certificate must then be sound or fail its own chain.
        named = x509.load_der_x509_certificate(signer.certificate_der)
        assert named == RSA_CERTIFICATE or not certs.is_issued_by(named, CA)


def rewrap(encoded: bytes, old: bytes, new: bytes) -> bytes:
    """Replace one element somewhere inside, lengths corrected all the way up."""
    if encoded == old:
        return new
    class_, constructed, tag, _, contents, _ = parser.parse(encoded)
    if not constructed:
        return encoded
    inner = b""
    while contents:
        length = parser.peek(contents)
        inner += rewrap(contents[:length], old, new)
        contents = contents[length:]
    return parser.emit(class_, constructed, tag, inner)


SAMPLES = [
    cms_message(attributes=attributes_for(BODY, "sha256")),
    cms_message(digest="sha1"),
    indefinite(cms_message(attributes=attributes_for(BODY, "sha1"), digest="sha1"), keep=(der(RSA_CERTIFICATE),)),
]


class TestIssuers:
    @pytest.mark.parametrize(
        ("name", "digest", "trusted"), [("sha384", hashes.SHA384(), True), ("sha1", hashes.SHA1(), False)]
    )
    def test_an_rsa_authority_with_sha2_but_not_with_sha1(self, name, digest, trusted):
        """Builders refuse to sign a certificate with SHA-1, so an ordinary one is signed again."""
        authority = issue("RSA authority", OTHER_KEY)
        leaf = asn1_x509.Certificate.load(der(issue("leaf", EC_KEY, issuer=authority, issuer_key=OTHER_KEY)))
        algorithm = algos.SignedDigestAlgorithm({"algorithm": f"{name}_rsa", "parameters": core.Null()})
        leaf["tbs_certificate"]["signature"] = algorithm
        leaf["signature_algorithm"] = algorithm.copy()
        to_sign = leaf["tbs_certificate"].dump(force=True)
        leaf["signature_value"] = OTHER_KEY.sign(to_sign, padding.PKCS1v15(), digest)
        signed_again = x509.load_der_x509_certificate(leaf.dump(force=True))
        assert certs.is_issued_by(signed_again, authority) is trusted


class TestSigning:
    CONTENT = b"<plist>\n\r\nline ends stay\r as they are</plist>\n" * 3000

    @pytest.mark.parametrize("identity", ["rsa", "ec"])
    def test_what_is_signed_can_be_opened(self, identity):
        key, certificate = IDENTITIES[identity]
        message = sign(self.CONTENT, key, certificate, chain=[CA])
        content, signer = open_signed(message)
        assert content == self.CONTENT
        assert signer.fingerprint == fingerprint(certificate)
        bag = cms.ContentInfo.load(message)["content"]["certificates"]
        assert {item.chosen.dump() for item in bag} == {der(certificate), der(CA)}

    def test_indefinite_lengths_and_chunks(self):
        message = indefinite(sign(self.CONTENT, RSA_KEY, RSA_CERTIFICATE), keep=(der(RSA_CERTIFICATE),), chunk=1000)
        assert open_signed(message)[0] == self.CONTENT

    def test_altered_content_is_refused(self):
        message = sign(self.CONTENT, RSA_KEY, RSA_CERTIFICATE).replace(b"line ends", b"Line ends", 1)
        with pytest.raises(BadSignature, match="digest"):
            open_signed(message)

    def test_nothing_inside_is_refused(self):
        with pytest.raises(BadSignature, match="no content"):
            open_signed(cms_message())

    @given(st.binary(max_size=100))
    def test_garbage_is_refused(self, data):
        with pytest.raises(BadSignature):
            open_signed(data)
