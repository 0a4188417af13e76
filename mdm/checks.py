"""System checks: a dangerous or useless combination of settings is explained in one sentence.

`register_all` is called when Django has started. ON_DEPLOY is asked for by `manage.py check --deploy`; ALWAYS runs before
every command, so that a mistake shows when the server starts.
"""

from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register

from enrollment.services.machine_trust import device_authorities
from enrollment.services.sms_gateway import BadGatewaySettings, gateway
from mdm.common import crypto
from mdm.events.log_settings import LEAST_DAYS, authorization_fault, fault
from mdm.push.csr import VendorBundleError, load_vendor_bundle

# Names that only a local network knows: nobody else reaches a server by them.
LOCAL_SUFFIXES = (".localhost", ".local", ".lan", ".internal", ".home.arpa", ".test")

AppConfigs = Sequence[AppConfig] | None


def is_public(url: str) -> bool:
    """Whether the URL's host may be reachable from outside: a full host name, or an address that is not private."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    try:
        return ip_address(host).is_global
    except ValueError:
        return "." in host and not host.endswith(LOCAL_SUFFIXES)


def debug_is_off_in_public(app_configs: AppConfigs, **options: object) -> list[CheckMessage]:
    if not (settings.DEBUG and is_public(settings.BASE_URL)):
        return []
    return [
        Error(
            f"DEBUG is on while BASE_URL is {settings.BASE_URL}: error pages would show settings and device data to anybody.",
            hint="Unset DEBUG.",
            id="pomona.E001",
        )
    ]


def field_keys_can_be_used(app_configs: AppConfigs, **options: object) -> list[CheckMessage]:
    try:
        crypto.encrypt(b"", place="check")
    except ValueError:  # its text may not be shown: with base64 it can hold part of a key
        return [
            Error(
                "FIELD_ENCRYPTION_KEYS cannot be used, so that no secret can be stored or read.",
                hint="A comma list of id:KEY, where KEY is base64 of exactly 32 bytes; the first one encrypts.",
                id="pomona.E002",
            )
        ]
    return []


def trusted_proxies_are_networks(app_configs: AppConfigs, **options: object) -> list[CheckMessage]:
    wrong = [item for item in settings.TRUSTED_PROXIES if not _is_network(item)]
    if not wrong:
        return []
    return [
        Error(
            f"TRUSTED_PROXIES holds what is neither an address nor a network: {', '.join(wrong)}.",
            hint="For example TRUSTED_PROXIES=127.0.0.1,10.0.0.0/8; host names are not looked up.",
            id="pomona.E003",
        )
    ]


def embedded_keys_stay_embedded(app_configs: AppConfigs, **options: object) -> list[CheckMessage]:
    if not (settings.DATABASE_URL and settings.USES_EMBEDDED_KEYS):
        return []
    return [
        Warning(
            f"DATABASE_URL is set, but keys are those of {settings.DATA_DIR / 'keys.json'}: a process that does not see "
            "this file makes other keys and cannot read what is stored.",
            hint="Set SECRET_KEY and FIELD_ENCRYPTION_KEYS for all processes; the values of that file go on working.",
            id="pomona.W001",
        )
    ]


def client_certificate_header_has_a_proxy(app_configs: AppConfigs, **options: object) -> list[CheckMessage]:
    if not settings.CLIENT_CERT_HEADER or settings.TRUSTED_PROXIES:
        return []
    return [
        Warning(
            "CLIENT_CERT_HEADER is set without TRUSTED_PROXIES: the header is never believed, whoever sends it.",
            hint="Name the proxy that sets (and always overwrites) the header in TRUSTED_PROXIES.",
            id="pomona.W002",
        )
    ]


def files_can_be_read(app_configs: AppConfigs, **options: object) -> list[CheckMessage]:
    """The vendor file is opened as it will be for signing, so that its faults show now and not on the day it is needed."""
    found: list[CheckMessage] = []
    if settings.PUSH_VENDOR_CERTIFICATE:
        try:
            load_vendor_bundle(Path(settings.PUSH_VENDOR_CERTIFICATE).read_bytes())
        except (OSError, VendorBundleError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            found.append(
                Warning(
                    f"PUSH_VENDOR_CERTIFICATE cannot sign push certificate requests: {settings.PUSH_VENDOR_CERTIFICATE}: {why}",
                    hint="One PEM file with the vendor certificate, its chain up to Apple's root, and its key.",
                    id="pomona.W003",
                )
            )
    if settings.APNS_CA_FILE and not Path(settings.APNS_CA_FILE).is_file():
        found.append(
            Warning(
                f"APNS_CA_FILE names {settings.APNS_CA_FILE}, which does not exist: no push can be sent.",
                hint="Unset it to trust the usual authorities, as Apple's own service needs.",
                id="pomona.W004",
            )
        )
    return found


def device_authorities_can_be_read(app_configs: AppConfigs, **options: object) -> list[CheckMessage]:
    try:
        device_authorities()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return [
            Warning(
                f"APPLE_DEVICE_CA_FILE cannot be used, so no device enrolls by itself: {settings.APPLE_DEVICE_CA_FILE}: {why}",
                hint="A PEM file with the certificates of authorities; unset it to trust Apple's own.",
                id="pomona.W010",
            )
        ]
    return []


def text_messages_can_be_sent(app_configs: AppConfigs, **options: object) -> list[CheckMessage]:
    """No value is shown: addresses, headers and fields of gateways hold keys."""
    others = ("SMS_FIELDS", "SMS_SENDER", "SMS_AUTHORIZATION", "SMS_HEADERS", "SMS_REFERENCE", "SMS_CA_FILE")
    given = [name for name in others if getattr(settings, name)]
    if given and not settings.SMS_URL:
        text = f"{given[0]} is set without SMS_URL: no text message is sent."
        return [Warning(text, hint="Set SMS_URL to the address of the gateway, or unset the others.", id="pomona.W020")]
    try:
        gateway()
    except BadGatewaySettings as error:
        text = f"Text messages are not set up rightly, so none is sent: {error}."
        return [Warning(text, hint="docs/text-messages.md has examples.", id="pomona.W021")]
    if settings.SMS_URL.startswith("http://") and is_public(settings.SMS_URL):
        text = "SMS_URL is an http address: phone numbers, enrollment links and the gateway's key travel in the clear."
        return [Warning(text, hint="Use the gateway's https address.", id="pomona.W022")]
    return []


def the_log_is_kept_long_enough(app_configs: AppConfigs, **options: object) -> list[CheckMessage]:
    days = settings.LOG_RETENTION_DAYS
    if days == 0 or days >= LEAST_DAYS:
        return []
    return [
        Error(
            f"LOG_RETENTION_DAYS is {days}: warnings look back into the log for what they have said, and would be repeated.",
            hint=f"At least {LEAST_DAYS}, or 0 to keep the log for ever.",
            id="pomona.E004",
        )
    ]


def the_log_can_be_forwarded(app_configs: AppConfigs, **options: object) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    url, ca_file = settings.LOG_FORWARD_URL, settings.LOG_FORWARD_CA_FILE
    wrong = fault(url) if url else ""
    if wrong:
        hint = "For example syslog+tls://logs.example.com or https://logs.example.com/pomona."
        found.append(Error(f"LOG_FORWARD_URL cannot be used: {wrong}.", hint=hint, id="pomona.E005"))
    wrong = authorization_fault(settings.LOG_FORWARD_AUTHORIZATION)
    if wrong:
        hint = "Letters, digits and signs of ASCII, on one line."
        found.append(Error(f"LOG_FORWARD_AUTHORIZATION cannot be used: {wrong}.", hint=hint, id="pomona.E005"))
    if ca_file and not Path(ca_file).is_file():
        text = f"LOG_FORWARD_CA_FILE names {ca_file}, which does not exist: the log cannot be forwarded."
        found.append(Warning(text, hint="Unset it to trust the usual authorities.", id="pomona.W030"))
    if settings.LOG_FORWARD_AUTHORIZATION and not url.startswith("https://"):
        what = "goes to the collector in the clear" if url.startswith("http://") else "is never sent"
        text = f"LOG_FORWARD_AUTHORIZATION {what}: LOG_FORWARD_URL is {url.split('://')[0] or 'not set'}."
        found.append(Warning(text, hint="It is meant for a collector with an https address.", id="pomona.W031"))
    return found


def people_can_sign_in(app_configs: AppConfigs, **options: object) -> list[CheckMessage]:
    """Single sign-on that lacks something lets nobody in; with OIDC_ONLY, nobody but superusers then."""
    found: list[CheckMessage] = []
    if settings.OIDC_ONLY and not settings.OIDC_URL:
        text = "OIDC_ONLY is set without OIDC_URL: nobody but superusers can sign in."
        found.append(Error(text, hint="Set OIDC_URL, or unset OIDC_ONLY.", id="pomona.E006"))
    if settings.OIDC_URL and not (settings.OIDC_CLIENT_ID and settings.OIDC_CLIENT_SECRET):
        text = "OIDC_URL is set without OIDC_CLIENT_ID and OIDC_CLIENT_SECRET: the provider will not know this server."
        found.append(
            Error(text, hint="Both are given by the provider where Pomona is registered there.", id="pomona.E007")
        )
    if settings.OIDC_URL.startswith("http://") and is_public(settings.OIDC_URL):
        text = "OIDC_URL is an http address: whoever is between here and there can sign in as anybody."
        found.append(Error(text, hint="Use the provider's https address.", id="pomona.E008"))
    if settings.OIDC_CA_FILE and not Path(settings.OIDC_CA_FILE).is_file():
        text = f"OIDC_CA_FILE names {settings.OIDC_CA_FILE}, which does not exist: nobody can sign in by the provider."
        found.append(Warning(text, hint="Unset it to trust the usual authorities.", id="pomona.W040"))
    return found


def own_host_is_allowed(app_configs: AppConfigs, **options: object) -> list[CheckMessage]:
    host = (urlsplit(settings.BASE_URL).hostname or "").lower()
    if any(_allows(pattern.lower(), host) for pattern in settings.ALLOWED_HOSTS):
        return []
    return [
        Warning(
            f"ALLOWED_HOSTS lacks {host or 'the host'} of BASE_URL: every link that Pomona hands out is refused with 400.",
            hint="Add it, or unset ALLOWED_HOSTS.",
            id="pomona.W007",
        )
    ]


def public_url_is_https(app_configs: AppConfigs, **options: object) -> list[CheckMessage]:
    if settings.IS_HTTPS or not is_public(settings.BASE_URL):
        return []
    return [
        Warning(
            f"BASE_URL is {settings.BASE_URL}: devices refuse to enroll without HTTPS, and passwords and API keys travel "
            "in the clear.",
            hint="Put a proxy with a certificate in front and set BASE_URL to its https address.",
            id="pomona.W005",
        )
    ]


def hosts_are_named(app_configs: AppConfigs, **options: object) -> list[CheckMessage]:
    if "*" not in settings.ALLOWED_HOSTS:
        return []
    return [
        Warning(
            'ALLOWED_HOSTS is "*": whoever can set a request\'s Host header is believed.',
            hint="Unset it: the host of BASE_URL is allowed by itself.",
            id="pomona.W006",
        )
    ]


ALWAYS: tuple[Callable[..., list[CheckMessage]], ...] = (
    debug_is_off_in_public,
    field_keys_can_be_used,
    trusted_proxies_are_networks,
    embedded_keys_stay_embedded,
    client_certificate_header_has_a_proxy,
    files_can_be_read,
    device_authorities_can_be_read,
    text_messages_can_be_sent,
    people_can_sign_in,
    own_host_is_allowed,
    the_log_is_kept_long_enough,
    the_log_can_be_forwarded,
)
ON_DEPLOY: tuple[Callable[..., list[CheckMessage]], ...] = (public_url_is_https, hosts_are_named)


def register_all() -> None:
    for check in ALWAYS:
        register(check, Tags.security)
    for check in ON_DEPLOY:
        register(check, Tags.security, deploy=True)


def _allows(pattern: str, host: str) -> bool:
    if pattern in ("*", host, f"[{host}]"):
        return True
    return pattern.startswith(".") and (host == pattern[1:] or host.endswith(pattern))


def _is_network(text: str) -> bool:
    try:
        ip_network(text, strict=False)
    except ValueError:
        return False
    return True
