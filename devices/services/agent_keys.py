"""The key by which Macs know that what they are told to run comes from their account's server.

Every account has one, made when it is first needed. The public half reaches the Macs in their managed profile, so that
neither a token nor the line alone is enough to have a Mac run something.
"""

import base64

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)
from django.db import transaction

from devices.models import AgentKey


def agent_key(account_id: int) -> AgentKey:
    """The account's key. Of several callers that need the first one at once, all get the same."""
    known = AgentKey.objects.filter(account_id=account_id).first()
    return known or _first(account_id)


def _first(account_id: int) -> AgentKey:
    key = ec.generate_private_key(ec.SECP256R1())
    made = AgentKey(
        account_id=account_id,
        private_key=key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()),
        public_key=key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(),
    )
    # The constraint lets one through; the others take its row.
    with transaction.atomic():
        AgentKey.objects.bulk_create([made], ignore_conflicts=True)
    return AgentKey.objects.get(account_id=account_id)


def sign(account_id: int, data: bytes) -> str:
    """ECDSA on P-256 with SHA-256, in base64: what `openssl dgst -sha256 -verify` understands. Raises CannotDecrypt."""
    key = load_der_private_key(agent_key(account_id).private_key, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError("the agent key is no EC key")
    return base64.b64encode(key.sign(data, ec.ECDSA(hashes.SHA256()))).decode()


def signing_key(account_id: int) -> str:
    """The public half as the profile holds it: SubjectPublicKeyInfo in base64, one line."""
    lines = agent_key(account_id).public_key.strip().splitlines()
    return "".join(line for line in lines if not line.startswith("-----"))
