"""Automated Device Enrollment as a device does it: it says who it is, signed, and gets its profile; perhaps its person signs in
first. Afterwards it waits in Setup Assistant. Source: Apple, "MachineInfo", "Authenticating Through Web Views".
"""

import base64
import plistlib
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx

from mdm.virtual import cms
from mdm.virtual.enrolling import Enrolling
from mdm.virtual.enrollment_profile import PROFILE_TYPE, ConfigurationProfile, parse_profile, require_management
from mdm.virtual.errors import BadProfile, EnrollmentRefused, NotEnrolled
from mdm.virtual.keys import Identity
from mdm.virtual.mdm_signature import indefinite

MESSAGE_TYPE = "application/pkcs7-signature"
DEVICE_HEADER = "x-apple-aspen-deviceinfo"


@dataclass(frozen=True)
class SignInPage:
    """A page with one form: where it goes, and what stands in its hidden fields."""

    action: str
    hidden: dict[str, str]
    text: str


class AutomatedEnrolling(Enrolling):
    # The certificate from the factory; devices without one cannot enroll automatically.
    factory_identity: Identity | None = None
    can_request_update = True

    def machine_info(self) -> dict[str, Any]:
        device = self.device
        info: dict[str, Any] = {
            "UDID": device.udid,
            "SERIAL": device.serial,
            "PRODUCT": device.facts.model.product_name,
            "VERSION": device.state.build_version,
            "OS_VERSION": device.state.os_version,
            "LANGUAGE": "en",
            "MDM_CAN_REQUEST_SOFTWARE_UPDATE": self.can_request_update,
        }
        return info | ({"IMEI": device.facts.imei} if device.facts.imei else {})

    def signed_machine_info(self, info: dict[str, Any] | None = None) -> bytes:
        """CMS with the property list inside; in the style of the device's other signatures."""
        if self.factory_identity is None:
            raise NotEnrolled(f"{self.device.serial} has no certificate from the factory")
        content = plistlib.dumps(info or self.machine_info())
        if self.device.signature_style == "field":
            signed = cms.sign(content, self.factory_identity, digest="sha1", signed_attributes=False)
            return indefinite(signed)
        return cms.sign(content, self.factory_identity)

    def enroll_automatically(self, url: str, *, awaits_configuration: bool = True) -> None:
        """From the address in Apple's enrollment profile to the first TokenUpdate, and on in Setup Assistant.

        awaits_configuration: `await_device_configured` of that profile. Raises EnrollmentRefused, BadProfile.
        """
        headers = {**self.device.headers, "Content-Type": MESSAGE_TYPE}
        answer = self.device.client.post(url, content=self.signed_machine_info(), headers=headers)
        self._go_on(read_profile(answer), awaits_configuration)

    def open_sign_in(self, url: str) -> SignInPage:
        """The page at `configuration_web_url`. Raises EnrollmentRefused, BadProfile where there is no form on it."""
        headers = {**self.device.headers, DEVICE_HEADER: base64.b64encode(self.signed_machine_info()).decode("ascii")}
        answer = self.device.client.get(url, headers=headers)
        if answer.status_code != 200:
            raise EnrollmentRefused("sign-in page", answer.status_code, answer.content)
        return read_page(answer)

    def enroll_by_sign_in(self, url: str, email: str, password: str, *, awaits_configuration: bool = True) -> None:
        """The same after its person has signed in. Raises EnrollmentRefused also for a wrong password."""
        page = self.open_sign_in(url)
        form = {**page.hidden, "email": email, "password": password}
        answer = self.device.client.post(page.action, data=form, headers=self.device.headers)
        self._go_on(read_profile(answer), awaits_configuration)

    def _go_on(self, profile: ConfigurationProfile, awaits_configuration: bool) -> None:
        device = self.device
        device.profile, device.state.enrolled_via_dep = profile, True
        if device.platform == "macos":
            device.state.users = {}  # nobody has set it up yet
        self.join(awaits_configuration=awaits_configuration)


def read_profile(answer: httpx.Response) -> ConfigurationProfile:
    """Raises EnrollmentRefused, BadProfile."""
    kind = answer.headers.get("content-type", "").split(";")[0].strip()
    if answer.status_code != 200 or kind != PROFILE_TYPE:
        raise EnrollmentRefused("automated enrollment", answer.status_code, answer.content)
    profile = parse_profile(answer.content)
    if not profile.signers:
        raise BadProfile("the enrollment profile is not signed")
    return require_management(profile)


def read_page(answer: httpx.Response) -> SignInPage:
    """Raises BadProfile."""
    finder = _FormFinder()
    finder.feed(answer.text)
    if finder.action is None:
        raise BadProfile("the sign-in page has no form")
    return SignInPage(urljoin(str(answer.url), finder.action), finder.hidden, answer.text)


class _FormFinder(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.hidden: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = values.get("action") or ""
        if tag == "input" and values.get("type") == "hidden" and values.get("name"):
            self.hidden[values["name"] or ""] = values.get("value") or ""
