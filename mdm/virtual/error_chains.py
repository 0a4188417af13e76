"""Error chains as devices report them: lists of ErrorDomain, ErrorCode and two descriptions.

Codes after Apple's "Mobile Device Management Protocol Reference", Error Codes, and what Macs report in the field.
"""

from typing import Any

from mdm.virtual.catalogue import Platform

ErrorChain = list[dict[str, Any]]


class Refused(Exception):
    """Raised while answering: the answer is `Status: Error` with this chain, and maybe further response keys."""

    def __init__(self, chain: ErrorChain, response: dict[str, Any] | None = None) -> None:
        self.chain = chain
        self.response = response or {}
        super().__init__(chain[0]["LocalizedDescription"])


class BadFormat(Exception):
    """Raised while answering: the answer is `Status: CommandFormatError`."""


def link(domain: str, code: int, text: str) -> dict[str, Any]:
    return {"ErrorDomain": domain, "ErrorCode": code, "LocalizedDescription": text, "USEnglishDescription": text}


def mdm_error(code: int, text: str) -> ErrorChain:
    return [link("MCMDMErrorDomain", code, text)]


def unknown_request_type(platform: Platform, request_type: str) -> ErrorChain:
    if platform == "macos":
        return [link("MDMClientError", 91, f"Unknown command: {request_type}")]
    return mdm_error(12021, f"“{request_type}” is not a valid request type.")


def wrong_channel(request_type: str, channel: str) -> ErrorChain:
    return [link("MDMClientError", 92, f"{request_type} is not supported on the {channel} channel.")]


def not_supervised(request_type: str) -> ErrorChain:
    return [link("MCChaperoneErrorDomain", 29000, f"{request_type}: the device is not supervised.")]


def only_shared_ipad(request_type: str) -> ErrorChain:
    return mdm_error(12076, f"{request_type}: per-user connections are not supported on this device.")


def profile_not_installed(platform: Platform, identifier: str) -> ErrorChain:
    if platform == "macos":
        return [link("MDMClientError", 89, f"Profile with identifier '{identifier}' not found.")]
    return mdm_error(12075, f"The profile “{identifier}” is not installed.")


def profile_invalid(platform: Platform, reason: str) -> ErrorChain:
    if platform == "macos":
        return [link("ConfigProfilePluginDomain", -319, f"The profile is invalid: {reason}")]
    return [
        link("MCInstallationErrorDomain", 4001, "The profile could not be installed."),
        link("MCProfileErrorDomain", 1000, f"The profile is malformed: {reason}"),
    ]


def app_not_managed(identifier: str) -> ErrorChain:
    return mdm_error(12029, f"The app “{identifier}” is not managed.")


def injected(request_type: str) -> ErrorChain:
    """What a device says when a test or a load run asks it to fail."""
    return mdm_error(12010, f"{request_type} could not be carried out.")
