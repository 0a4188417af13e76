"""From an enrollment page to what an enrollment profile says."""

import plistlib
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin
from xml.parsers.expat import ExpatError

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from mdm.virtual import cms
from mdm.virtual.errors import BadProfile, CmsError, EnrollmentRefused

PROFILE_TYPE = "application/x-apple-aspen-config"
MDM_TYPE, SCEP_TYPE = "com.apple.mdm", "com.apple.security.scep"
SUBJECT_OIDS = {
    "CN": NameOID.COMMON_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "C": NameOID.COUNTRY_NAME,
    "ST": NameOID.STATE_OR_PROVINCE_NAME,
    "L": NameOID.LOCALITY_NAME,
    "E": NameOID.EMAIL_ADDRESS,
    "DC": NameOID.DOMAIN_COMPONENT,
    "UID": NameOID.USER_ID,
    "SN": NameOID.SURNAME,
}


@dataclass(frozen=True)
class ConfigurationProfile:
    """A parsed profile: its plist, the bytes it came in, and the certificates of who signed it (empty: unsigned)."""

    content: dict[str, Any]
    raw: bytes = field(repr=False)
    signers: list[bytes] = field(default_factory=list, repr=False)

    @property
    def identifier(self) -> str:
        return self.content["PayloadIdentifier"]

    def payloads(self, kind: str) -> list[dict[str, Any]]:
        return [p for p in self.content["PayloadContent"] if p.get("PayloadType") == kind]

    @property
    def mdm(self) -> dict[str, Any] | None:
        return next(iter(self.payloads(MDM_TYPE)), None)

    @property
    def scep(self) -> dict[str, Any] | None:
        """The PayloadContent of the SCEP payload that the MDM payload names as the device's identity."""
        wanted = (self.mdm or {}).get("IdentityCertificateUUID")
        payload = next((p for p in self.payloads(SCEP_TYPE) if p.get("PayloadUUID") == wanted), None)
        return payload["PayloadContent"] if payload else None


def parse_profile(raw: bytes) -> ConfigurationProfile:
    """Signed (CMS) or plain configuration profile. Raises BadProfile."""
    signers: list[bytes] = []
    plist = raw
    if raw[:1] == b"\x30":
        try:
            opened = cms.open_signed(raw)
        except CmsError as error:
            raise BadProfile(f"signature: {error}") from error
        plist = opened.content or b""
        signers = [c.public_bytes(serialization.Encoding.DER) for c in opened.certificates]
    try:
        content = plistlib.loads(plist)
    except (plistlib.InvalidFileException, ExpatError, ValueError, TypeError, AttributeError, IndexError) as error:
        raise BadProfile(f"not a property list: {error}") from error
    if not isinstance(content, dict) or not isinstance(content.get("PayloadContent", []), list):
        raise BadProfile("not a configuration profile")
    for key in ("PayloadIdentifier", "PayloadUUID", "PayloadType"):
        if not isinstance(content.get(key), str):
            raise BadProfile(f"required key {key} is missing")
    content.setdefault("PayloadContent", [])
    return ConfigurationProfile(content, raw, signers)


def require_management(profile: ConfigurationProfile) -> ConfigurationProfile:
    """Check that a profile can enroll a device. Raises BadProfile."""
    if profile.mdm is None:
        raise BadProfile("no MDM payload")
    for key in ("IdentityCertificateUUID", "Topic", "ServerURL"):
        if not isinstance(profile.mdm.get(key), str):
            raise BadProfile(f"MDM payload: required key {key} is missing")
    if profile.scep is None or not isinstance(profile.scep.get("URL"), str):
        raise BadProfile("the MDM payload's IdentityCertificateUUID names no SCEP payload with a URL")
    return profile


class _LinkFinder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.href: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "a" and "data-profile" in values and self.href is None:
            self.href = values.get("href")


def download_profile(client: httpx.Client, url: str, headers: dict[str, str]) -> ConfigurationProfile:
    """Open the enrollment page, follow its `<a data-profile>` link, check and parse the profile.

    Raises EnrollmentRefused when either is not served, BadProfile when a device would not install it.
    """
    page = client.get(url, headers=headers, follow_redirects=True)
    if page.status_code != 200:
        raise EnrollmentRefused("enrollment page", page.status_code, page.content)
    finder = _LinkFinder()
    finder.feed(page.text)
    if not finder.href:
        raise BadProfile("the enrollment page has no profile link")
    answer = client.get(urljoin(str(page.url), finder.href), headers=headers, follow_redirects=True)
    if answer.status_code != 200:
        raise EnrollmentRefused("enrollment profile", answer.status_code, answer.content)
    kind = answer.headers.get("content-type", "")
    if kind.split(";")[0].strip() != PROFILE_TYPE:
        raise BadProfile(f"content type {kind!r} is not a configuration profile")
    profile = parse_profile(answer.content)
    if not profile.signers:
        raise BadProfile("the enrollment profile is not signed")
    return require_management(profile)


def subject_name(scep: dict[str, Any]) -> x509.Name:
    """SCEP payload's Subject, `[[["O", "Example"]], [["CN", "device"]]]`, as an X.509 name."""
    parts = []
    for group in scep.get("Subject") or []:
        pairs = [x509.NameAttribute(_subject_oid(kind), value) for kind, value in group]
        parts.append(x509.RelativeDistinguishedName(pairs))
    return x509.Name(parts)


def _subject_oid(kind: str) -> x509.ObjectIdentifier:
    try:
        return SUBJECT_OIDS.get(kind.upper()) or x509.ObjectIdentifier(kind)
    except ValueError as error:
        raise BadProfile(f"SCEP subject: unknown attribute {kind!r}") from error


def alternative_names(scep: dict[str, Any]) -> x509.SubjectAlternativeName | None:
    """SCEP payload's SubjectAltName; each key holds one string or a list of them."""
    kinds = {
        "rfc822Name": x509.RFC822Name,
        "dNSName": x509.DNSName,
        "uniformResourceIdentifier": x509.UniformResourceIdentifier,
    }
    names: list[x509.GeneralName] = []
    for key, make in kinds.items():
        values = (scep.get("SubjectAltName") or {}).get(key, [])
        names += [make(value) for value in ([values] if isinstance(values, str) else values)]
    return x509.SubjectAlternativeName(names) if names else None
