"""What can go wrong from a device's point of view."""

EXCERPT = 300


class DeviceError(Exception):
    """Base of everything a virtual device raises by itself; network trouble stays an httpx error."""


class NotEnrolled(DeviceError):
    """The device has no management profile (any more), so it has nobody to talk to."""


class BadProfile(DeviceError):
    """A configuration profile that a device would refuse: wrong media type, signature, plist or payloads."""


class CmsError(DeviceError):
    """A CMS message that is malformed, not for us, or whose signature does not verify."""


class ServerRefused(DeviceError):
    """The server answered something other than 200."""

    def __init__(self, what: str, status_code: int, body: bytes = b"") -> None:
        self.status_code = status_code
        self.body = body
        text = body[:EXCERPT].decode("utf-8", "replace").strip()
        super().__init__(f"{what}: HTTP {status_code}" + (f": {text}" if text else ""))


class EnrollmentRefused(ServerRefused):
    """The enrollment page or the profile behind it is not served (404, 410 …)."""


class ManagementRemoved(ServerRefused):
    """401, or 403 with Apple's "unrecognized device" code: the device has taken off its management."""


class ScepError(DeviceError):
    """SCEP did not end in a certificate. `fail_info` is RFC 8894's failInfo number as text, or None."""

    def __init__(self, message: str, fail_info: str | None = None) -> None:
        self.fail_info = fail_info
        super().__init__(message if fail_info is None else f"{message} (failInfo {fail_info})")
