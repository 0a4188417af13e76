"""Dangerous and useless settings are explained; the defaults of a fresh clone are not complained about."""

from pathlib import Path

import pytest
from django.core.checks import run_checks
from pytest_django.fixtures import Settings

from mdm import checks
from mdm.common import certs

KEY = "one:" + "A" * 43 + "="


@pytest.fixture
def production(settings: Settings) -> Settings:
    """A set-up that nothing is wrong with."""
    settings.DEBUG = False
    settings.BASE_URL = "https://mdm.example.com"
    settings.IS_HTTPS = True
    settings.ALLOWED_HOSTS = ["mdm.example.com", "127.0.0.1"]
    settings.TRUSTED_PROXIES = ["127.0.0.1", "10.0.0.0/8", "fd00::/8"]
    settings.CLIENT_CERT_HEADER = "X-Client-Cert"
    settings.DATABASE_URL = "postgres://example"
    settings.USES_EMBEDDED_KEYS = False
    settings.FIELD_ENCRYPTION_KEYS = [KEY]
    settings.PUSH_VENDOR_CERTIFICATE = settings.APNS_CA_FILE = ""
    settings.LOG_RETENTION_DAYS = 365
    settings.LOG_FORWARD_URL = settings.LOG_FORWARD_CA_FILE = settings.LOG_FORWARD_AUTHORIZATION = ""
    settings.OIDC_URL = settings.OIDC_CLIENT_ID = settings.OIDC_CLIENT_SECRET = settings.OIDC_CA_FILE = ""
    settings.OIDC_ONLY = False
    return settings


def found(*, deploy: bool = False) -> list[str]:
    """Ids of our messages, through Django's own registry."""
    messages = run_checks(include_deployment_checks=deploy)
    return sorted(message.id for message in messages if message.id.startswith("pomona."))


def messages() -> list[str]:
    return [message.msg for message in run_checks(include_deployment_checks=True) if message.id.startswith("pomona.")]


def test_nothing_is_said_about_a_good_setup(production: Settings) -> None:
    assert found(deploy=True) == []


def test_nothing_is_said_about_a_fresh_clone(production: Settings) -> None:
    production.BASE_URL, production.IS_HTTPS = "http://127.0.0.1:8000", False
    production.ALLOWED_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
    production.TRUSTED_PROXIES, production.CLIENT_CERT_HEADER = [], ""
    production.DATABASE_URL, production.USES_EMBEDDED_KEYS = "", True
    assert found(deploy=True) == []


def test_debug_stops_a_public_server(production: Settings) -> None:
    production.DEBUG = True
    assert found() == ["pomona.E001"]
    production.BASE_URL = "http://localhost:8000"
    production.ALLOWED_HOSTS = ["localhost"]
    assert found() == []


@pytest.mark.parametrize("keys", [["short:AAAA"], ["no-colon"], [":" + "A" * 43], ["x:not base64 at all!"]])
def test_unusable_field_keys_stop_the_server_and_are_not_shown(production: Settings, keys: list[str]) -> None:
    production.FIELD_ENCRYPTION_KEYS = keys
    assert found() == ["pomona.E002"]
    assert not any(key in text for text in messages() for key in keys)


def test_a_proxy_that_is_no_network_stops_the_server(production: Settings) -> None:
    production.TRUSTED_PROXIES = ["127.0.0.1", "proxy.example.com"]
    assert found() == ["pomona.E003"]
    assert "proxy.example.com" in messages()[0]


def test_embedded_keys_beside_a_database_server_are_named(production: Settings) -> None:
    production.USES_EMBEDDED_KEYS = True
    assert found() == ["pomona.W001"]
    assert "keys.json" in messages()[0]


def test_a_certificate_header_without_a_proxy_is_useless(production: Settings) -> None:
    production.TRUSTED_PROXIES = []
    assert found() == ["pomona.W002"]


def test_a_missing_vendor_certificate_is_told_before_it_is_needed(production: Settings, tmp_path: Path) -> None:
    production.PUSH_VENDOR_CERTIFICATE = str(tmp_path / "vendor.pem")
    assert found() == ["pomona.W003"]
    assert "No such file" in messages()[0]


def test_a_vendor_file_without_certificate_is_told_too(production: Settings, tmp_path: Path) -> None:
    file = tmp_path / "vendor.pem"
    file.write_bytes(certs.key_to_pem(certs.new_rsa_key()))
    production.PUSH_VENDOR_CERTIFICATE = str(file)
    assert found() == ["pomona.W003"]
    assert "no certificate" in messages()[0]


def test_a_missing_apns_ca_file_is_told(production: Settings, tmp_path: Path) -> None:
    production.APNS_CA_FILE = str(tmp_path / "ca.pem")
    assert found() == ["pomona.W004"]


def test_authorities_of_devices_that_cannot_be_read_are_noticed(production: Settings, tmp_path: Path) -> None:
    path = tmp_path / "devices.pem"
    production.APPLE_DEVICE_CA_FILE = str(path)
    assert found() == ["pomona.W010"]
    path.write_bytes(b"not a certificate")
    assert found() == ["pomona.W010"]


def test_half_an_sms_gateway_is_explained_without_its_secrets(production: Settings) -> None:
    production.SMS_AUTHORIZATION = "Bearer SECRET"
    assert found() == ["pomona.W020"]
    production.SMS_URL = "https://sms.example.com/SECRET"
    assert found() == ["pomona.W021"]
    production.SMS_FIELDS = '{"key": "SECRET", "to": "{to}"}'
    assert found() == ["pomona.W021"]
    assert "SMS_FIELDS needs {to} or {digits}, and {text}" in messages()[0]
    assert not any("SECRET" in text for text in messages())
    production.SMS_FIELDS = '{"key": "SECRET", "to": "{to}", "text": "{text}"}'
    assert found() == []
    production.SMS_URL = "http://sms.example.com/SECRET"
    assert found() == ["pomona.W022"]
    assert not any("SECRET" in text for text in messages())
    production.SMS_URL = "http://127.0.0.1:9000/"
    assert found() == []


def test_a_public_url_without_https_is_a_matter_of_deployment(production: Settings) -> None:
    production.BASE_URL, production.IS_HTTPS = "http://mdm.example.com", False
    assert found() == []
    assert found(deploy=True) == ["pomona.W005"]


def test_any_host_is_a_matter_of_deployment(production: Settings) -> None:
    production.ALLOWED_HOSTS = ["*"]
    assert found() == []
    assert found(deploy=True) == ["pomona.W006"]


@pytest.mark.parametrize(
    ("hosts", "is_wrong"),
    [(["other.example.com"], True), ([".example.com"], False), (["MDM.example.com"], False), ([".ample.com"], True)],
)
def test_links_must_lead_to_an_allowed_host(production: Settings, hosts: list[str], is_wrong: bool) -> None:
    production.ALLOWED_HOSTS = hosts
    assert found() == (["pomona.W007"] if is_wrong else [])


@pytest.mark.parametrize(
    ("url", "is_public"),
    [
        ("https://mdm.example.com", True),
        ("http://93.184.216.34:8000", True),
        ("http://127.0.0.1:8000", False),
        ("http://[::1]:8000", False),
        ("http://192.168.1.20", False),
        ("http://localhost", False),
        ("http://mdm.local.", False),
        ("http://imac-of-it", False),
        ("http://mdm.school.internal", False),
    ],
)
def test_public_is_what_others_can_reach(url: str, is_public: bool) -> None:
    assert checks.is_public(url) is is_public


@pytest.mark.parametrize("days", [-1, 1, 39])
def test_a_log_that_is_kept_too_short_is_refused(production: Settings, days: int) -> None:
    production.LOG_RETENTION_DAYS = days
    assert found() == ["pomona.E004"]
    for fine in (0, 40, 5000):
        production.LOG_RETENTION_DAYS = fine
        assert found() == []


def test_a_collector_of_logs_that_cannot_be_used_is_explained(production: Settings) -> None:
    production.LOG_FORWARD_URL = "logs.example.com"
    assert found() == ["pomona.E005"]
    assert "it must begin with one of syslog+udp://" in messages()[0]
    production.LOG_FORWARD_URL, production.LOG_FORWARD_CA_FILE = "syslog+tls://logs.example.com", "/nowhere.pem"
    assert found() == ["pomona.W030"]


def test_a_secret_for_a_collector_that_would_be_shown_or_not_be_used_is_explained(production: Settings) -> None:
    production.LOG_FORWARD_AUTHORIZATION = "Bearer abc"
    for url, words in (("http://logs", "in the clear"), ("syslog+tls://logs", "never sent"), ("", "never sent")):
        production.LOG_FORWARD_URL = url
        assert found() == ["pomona.W031"]
        assert words in messages()[0]
        assert "abc" not in messages()[0]
    production.LOG_FORWARD_URL = "https://logs.example.com"
    assert found() == []
    production.LOG_FORWARD_AUTHORIZATION = "Bearer abc\nX-More: 1"
    assert found() == ["pomona.E005"]
    assert "abc" not in messages()[0]


def test_single_sign_on_that_lets_nobody_in_is_explained(production: Settings, tmp_path: Path) -> None:
    production.OIDC_ONLY = True
    assert found() == ["pomona.E006"]
    production.OIDC_URL = "https://id.example.com"
    assert found() == ["pomona.E007"]
    production.OIDC_CLIENT_ID, production.OIDC_CLIENT_SECRET = "pomona", "secret"
    assert found() == []
    production.OIDC_URL = "http://id.example.com"
    assert found() == ["pomona.E008"]
    production.OIDC_URL, production.OIDC_CA_FILE = "http://127.0.0.1:9000", str(tmp_path / "none.pem")
    assert found() == ["pomona.W040"]
