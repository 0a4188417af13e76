"""MachineInfo: read from what a device signed, refused when anything about it is not right."""

import base64
import plistlib

import pytest
from asn1crypto import cms as asn1_cms

from mdm.protocol.errors import BadSignature, Malformed, TooLarge
from mdm.protocol.machine_info import MAX_BYTES, MachineInfo, decode_header, open_machine_info, parse_machine_info
from mdm.virtual import cms
from mdm.virtual.mdm_signature import indefinite
from tests.fakes.device_authority import make_certified

DEVICE = make_certified("device", is_ca=False)
OTHER = make_certified("other", is_ca=False)
INFO = {
    "UDID": "00008120-0001",
    "SERIAL": "C02ADE000001",
    "PRODUCT": "iPhone15,4",
    "VERSION": "22F76",
    "OS_VERSION": "18.5",
    "LANGUAGE": "en",
    "MDM_CAN_REQUEST_SOFTWARE_UPDATE": True,
}


def signed(content: bytes | None = None, **options: object) -> bytes:
    return cms.sign(plistlib.dumps(INFO) if content is None else content, DEVICE.identity, **options)


@pytest.mark.parametrize("digest", ["sha1", "sha256"])
@pytest.mark.parametrize("attributes", [True, False])
@pytest.mark.parametrize("form", [bytes, indefinite])
def test_every_way_in_which_devices_sign_is_read(digest, attributes, form):
    opened = open_machine_info(form(signed(digest=digest, signed_attributes=attributes)))
    assert opened.info == MachineInfo("C02ADE000001", "00008120-0001", "iPhone15,4", "22F76", "18.5", "en", True)
    assert opened.signer == DEVICE.der
    assert opened.certificates == [DEVICE.der]


def test_what_an_old_device_leaves_out_is_empty():
    assert parse_machine_info(plistlib.dumps({"SERIAL": " C02 "})) == MachineInfo("C02")


@pytest.mark.parametrize("attributes", [True, False])
def test_another_serial_number_than_the_one_that_was_signed_is_refused(attributes):
    message = signed(signed_attributes=attributes)
    with pytest.raises(BadSignature):
        open_machine_info(message.replace(b"C02ADE000001", b"C02ADE000002"))


def test_another_signer_put_into_the_message_is_refused():
    info = asn1_cms.ContentInfo.load(signed())
    foreign = asn1_cms.ContentInfo.load(cms.sign(b"x", OTHER.identity))
    info["content"]["certificates"] = foreign["content"]["certificates"]
    with pytest.raises(BadSignature):
        open_machine_info(info.dump(force=True))


def test_a_message_without_signer_is_refused():
    info = asn1_cms.ContentInfo.load(signed())
    info["content"]["signer_infos"] = []
    with pytest.raises(BadSignature):
        open_machine_info(info.dump(force=True))


def test_a_signature_without_its_content_is_refused():
    with pytest.raises(BadSignature):
        open_machine_info(signed(detached=True))


@pytest.mark.parametrize("message", [b"", b"nonsense", b"\x30\x80", plistlib.dumps(INFO), b"\x30" * 5000])
def test_what_is_no_signed_message_is_refused(message):
    with pytest.raises(BadSignature):
        open_machine_info(message)


def test_a_message_that_is_too_large_is_not_read():
    with pytest.raises(TooLarge):
        open_machine_info(b"\x30" * (MAX_BYTES + 1))


@pytest.mark.parametrize(
    "content",
    [
        b"nonsense",
        plistlib.dumps(["SERIAL"]),
        plistlib.dumps({"UDID": "x"}),
        plistlib.dumps({"SERIAL": ""}),
        plistlib.dumps({"SERIAL": 7}),
        plistlib.dumps({"SERIAL": "C" * 300}),
        plistlib.dumps({"SERIAL": "C02\n\u200b"}),
    ],
)
def test_what_names_no_device_is_refused(content):
    with pytest.raises(Malformed):
        open_machine_info(signed(content))


def test_the_header_is_base64_of_either_kind():
    message = signed() + b"\xfb\xff\xfe"
    for encode in (base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes):
        assert decode_header(encode(message).decode()) == message
    assert decode_header(base64.b64encode(b"a").decode().rstrip("=")) == b"a"
    for header in ("%", "a", "ä"):
        with pytest.raises(BadSignature):
            decode_header(header)
    with pytest.raises(TooLarge):
        decode_header("A" * (2 * MAX_BYTES))
