import json
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.management import CommandError, call_command

from enrollment.models import DepDevice, DepKey, DepServer
from enrollment.services.dep_sync import sync_due
from mdm.common import certs
from mdm.events.models import Event
from tests.enrollment.test_dep_tokens import token_file
from tests.factories import make_account
from tests.fakes.dep import FakeDep, token_message

pytestmark = pytest.mark.django_db


def run(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def add(account: int, path: Path, name: str = "Phones") -> dict:
    return json.loads(run("add_dep_server", "--account", str(account), "--name", name, str(path)))


@pytest.fixture
def account():
    return make_account("Acme")


@pytest.fixture
def token(account, tmp_path):
    run("dep_certificate", "--account", str(account.pk))
    path = tmp_path / "token.p7m"
    path.write_bytes(token_file(DepKey.objects.get()))
    return path


def test_dep_certificate_prints_a_certificate_and_nothing_else(account) -> None:
    printed = run("dep_certificate", "--account", str(account.pk))
    assert printed.startswith("-----BEGIN CERTIFICATE-----")
    assert printed.endswith("-----END CERTIFICATE-----\n")
    certificate = certs.load_certificate(printed.encode())
    assert isinstance(certificate.public_key(), rsa.RSAPublicKey)
    key = DepKey.objects.get()
    assert key.account == account
    assert certs.matches(certificate, certs.key_from_pem(key.key_pem.encode()))


def test_the_way_of_a_new_server_from_certificate_to_devices(account, token, settings) -> None:
    assert add(account.pk, token) == {"dep_server_id": DepServer.objects.get().pk}
    assert Event.objects.get(event_type="dep_server.created").account == account
    with FakeDep() as dep:
        settings.DEP_URL = dep.url
        dep.assign(3)
        assert sync_due() == 1
    assert DepDevice.objects.filter(account=account).count() == 3


def test_a_renewed_token_keeps_the_id(account, token) -> None:
    first = add(account.pk, token)
    token.write_bytes(token_file(DepKey.objects.get(), token_message(access_token="AT_new")))
    assert add(account.pk, token, "Renamed") == first
    server = DepServer.objects.get()
    assert (server.name, server.access_token) == ("Renamed", "AT_new")


def test_an_unknown_account_is_named(token) -> None:
    for command in (("dep_certificate",), ("add_dep_server", "--name", "N", str(token))):
        with pytest.raises(CommandError, match="There is no account with the id 999999"):
            run(command[0], "--account", "999999", *command[1:])


def test_add_dep_server_names_the_fault_of_a_file(account, token, tmp_path) -> None:
    with pytest.raises(CommandError, match=r"missing\.p7m cannot be read: No such file"):
        add(account.pk, tmp_path / "missing.p7m")
    with pytest.raises(CommandError, match="No key of this account opens this token"):
        add(make_account().pk, token)
    with pytest.raises(CommandError, match="1 to 200 characters"):
        add(account.pk, token, " ")
    token.write_bytes(token_file(DepKey.objects.get(), token_message(expires_at=datetime(2024, 5, 6, tzinfo=UTC))))
    with pytest.raises(CommandError, match="expired on 2024-05-06"):
        add(account.pk, token)
    for data, words in ((b"hello", "is not a server token"), (b"x" * 100_000, "too large for a server token")):
        token.write_bytes(data)
        with pytest.raises(CommandError, match=words):
            add(account.pk, token)
    assert not DepServer.objects.exists()
