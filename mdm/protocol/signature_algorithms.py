"""The algorithms of CMS signatures: their identifiers, and how `cryptography` verifies them.

SHA-1 is accepted because iPhones sign with it. Source: RFC 5754 (SHA-2), RFC 4056 (RSASSA-PSS), RFC 5753 (ECDSA).
"""

from dataclasses import dataclass
from functools import lru_cache

from asn1crypto import algos, core
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from mdm.protocol.errors import BadSignature

_SHA1 = hashes.SHA1()  # noqa: S303  devices in the field still use it
_MAX_SALT = 512
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "1.3.14.3.2.26": _SHA1,
    "2.16.840.1.101.3.4.2.4": hashes.SHA224(),
    "2.16.840.1.101.3.4.2.1": hashes.SHA256(),
    "2.16.840.1.101.3.4.2.2": hashes.SHA384(),
    "2.16.840.1.101.3.4.2.3": hashes.SHA512(),
}
_RSASSA_PSS = "1.2.840.113549.1.1.10"
# Where the identifier names no hash, the digest algorithm of the SignerInfo counts.
_RSA: dict[str, hashes.HashAlgorithm | None] = {
    "1.2.840.113549.1.1.1": None,
    "1.2.840.113549.1.1.5": _SHA1,
    "1.3.14.3.2.29": _SHA1,
    "1.2.840.113549.1.1.14": hashes.SHA224(),
    "1.2.840.113549.1.1.11": hashes.SHA256(),
    "1.2.840.113549.1.1.12": hashes.SHA384(),
    "1.2.840.113549.1.1.13": hashes.SHA512(),
}
_ECDSA: dict[str, hashes.HashAlgorithm | None] = {
    "1.2.840.10045.2.1": None,
    "1.2.840.10045.4.1": _SHA1,
    "1.2.840.10045.4.3.1": hashes.SHA224(),
    "1.2.840.10045.4.3.2": hashes.SHA256(),
    "1.2.840.10045.4.3.3": hashes.SHA384(),
    "1.2.840.10045.4.3.4": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class Algorithm:
    """padding is None for ECDSA; hash is None where the SignerInfo's digest algorithm is meant."""

    padding: padding.PKCS1v15 | padding.PSS | None
    hash: hashes.HashAlgorithm | None

    def verifies(
        self,
        public_key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
        signature: bytes,
        data: bytes,
        digest: hashes.HashAlgorithm,
    ) -> bool:
        """Whether the signature is over this data; a key of another kind than the algorithm's never verifies."""
        hash_algorithm = self.hash or digest
        try:
            if isinstance(public_key, rsa.RSAPublicKey) and self.padding is not None:
                public_key.verify(signature, data, self.padding, hash_algorithm)
            elif isinstance(public_key, ec.EllipticCurvePublicKey) and self.padding is None:
                public_key.verify(signature, data, ec.ECDSA(hash_algorithm))
            else:
                return False
        except InvalidSignature:
            return False
        return True


@lru_cache(maxsize=256)
def digest_algorithm(encoded: bytes) -> hashes.HashAlgorithm:
    """The hash that this AlgorithmIdentifier names, whatever its parameters (absent or NULL). Raises BadSignature."""
    return _hash(algos.AlgorithmIdentifier.load(encoded)["algorithm"])


@lru_cache(maxsize=256)
def signature_algorithm(encoded: bytes) -> Algorithm:
    """What this AlgorithmIdentifier (BER or DER) names. Raises BadSignature, or ValueError for unreadable bytes."""
    identifier = algos.AlgorithmIdentifier.load(encoded)
    dotted = identifier["algorithm"].dotted
    if dotted in _RSA:
        return Algorithm(padding.PKCS1v15(), _RSA[dotted])
    if dotted in _ECDSA:
        return Algorithm(None, _ECDSA[dotted])
    if dotted == _RSASSA_PSS:
        return _pss(encoded)
    raise BadSignature("The signature uses an algorithm that this server does not accept.")


def _pss(encoded: bytes) -> Algorithm:
    parameters = algos.SignedDigestAlgorithm.load(encoded)["parameters"]
    generator = parameters["mask_gen_algorithm"]
    salt_length = parameters["salt_length"].native
    if generator["algorithm"].native != "mgf1" or parameters["trailer_field"].native not in (1, "trailer_field_bc"):
        raise BadSignature("The signature uses RSA-PSS with parameters that this server does not accept.")
    if not 0 <= salt_length <= _MAX_SALT:
        raise BadSignature("The signature uses RSA-PSS with an impossible salt length.")
    mask = padding.MGF1(_hash(generator["parameters"]["algorithm"]))
    return Algorithm(padding.PSS(mgf=mask, salt_length=salt_length), _hash(parameters["hash_algorithm"]["algorithm"]))


def _hash(identifier: core.ObjectIdentifier) -> hashes.HashAlgorithm:
    found = _HASHES.get(identifier.dotted)
    if found is None:
        raise BadSignature("The signature uses a digest that this server does not accept.")
    return found
