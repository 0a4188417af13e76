"""Which certificate is calling: the one in Mdm-Signature, or the one a trusted proxy vouches for.

Status codes: nothing usable is 400, a certificate that may not speak for this device is 403. 401 is never given here: it
tells a device to remove its management.
"""

import base64
import binascii
from urllib.parse import unquote

from cryptography.hazmat.primitives.serialization import Encoding
from django.conf import settings
from django.http import HttpRequest

from mdm.common import certs
from mdm.common.proxies import is_trusted_proxy
from mdm.protocol.cms import Signer, verify_mdm_signature
from mdm.protocol.errors import BadSignature

MAX_HEADER = 64 * 1024


def signer_of(request: HttpRequest, body: bytes) -> Signer:
    """The certificate whose holder sent this body. Raises BadSignature."""
    header = request.META.get("HTTP_MDM_SIGNATURE")
    if header:
        return verify_mdm_signature(header, body)
    vouched_for = _header_of_proxy(request)
    if vouched_for:
        return _read_certificate(vouched_for)
    raise BadSignature("The request carries no Mdm-Signature.")


def _header_of_proxy(request: HttpRequest) -> str:
    name = settings.CLIENT_CERT_HEADER
    if not name or not is_trusted_proxy(request):
        return ""
    return request.META.get("HTTP_" + name.upper().replace("-", "_"), "")


def _read_certificate(value: str) -> Signer:
    """PEM (percent-encoded as nginx sends it, or with its line ends lost) or base64 of DER (as HAProxy and Envoy do)."""
    if len(value) > MAX_HEADER:
        raise BadSignature("The client certificate header is too long.")
    text = unquote(value) if "%" in value else value
    inner = text.replace("-----BEGIN CERTIFICATE-----", "").replace("-----END CERTIFICATE-----", "")
    try:
        certificate = certs.load_certificate(base64.b64decode("".join(inner.split()).strip(":"), validate=True))
    except (ValueError, binascii.Error) as error:
        raise BadSignature("The client certificate header holds no certificate.") from error
    der = certificate.public_bytes(Encoding.DER)
    return Signer(der, certs.fingerprint(der))
