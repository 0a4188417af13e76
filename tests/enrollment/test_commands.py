import json
from io import StringIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from django.core.management import CommandError, call_command

from enrollment.models import CertificateAuthority, Enrollment, TrustedAuthority
from mdm.accounts.models import Account, ApiKey, User
from mdm.accounts.services import find_api_key
from mdm.common import certs
from mdm.events.models import Event
from tests.factories import make_account, make_user
from tests.mdm.protocol.scep_client import rsa_key

pytestmark = pytest.mark.django_db
OWNER = ("--owner", "owner@example.com", "--password", "a good one")


def run(*arguments: str) -> dict:
    """The one JSON object that the command prints."""
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    (line,) = out.getvalue().splitlines()
    return json.loads(line)


def test_create_account_prints_what_a_script_needs() -> None:
    answer = run("create_account", "Acme", *OWNER)
    account = Account.objects.get()
    assert set(answer) == {"account_id", "owner", "api_key"}
    assert (answer["account_id"], answer["owner"]) == (account.pk, "owner@example.com")
    assert find_api_key(answer["api_key"]).account == account
    assert User.objects.get().check_password("a good one")
    assert CertificateAuthority.objects.get().account == account
    assert Enrollment.objects.get().account == account


def test_create_account_repeated_finds_the_account_and_makes_another_key() -> None:
    first, again = (run("create_account", "Acme", *OWNER) for _ in range(2))
    assert first["account_id"] == again["account_id"]
    assert first["api_key"] != again["api_key"]
    assert find_api_key(first["api_key"])
    assert (Account.objects.count(), User.objects.count(), Enrollment.objects.count()) == (1, 1, 1)


def test_create_account_opens_another_account_for_another_owner_or_name() -> None:
    run("create_account", "Acme", *OWNER)
    run("create_account", "Acme", "--owner", "else@example.com", "--password", "a good one")
    run("create_account", "Else", *OWNER)
    assert Account.objects.count() == 3


def test_create_account_says_that_a_known_person_keeps_the_password() -> None:
    make_user(email="owner@example.com", password="the old one")
    errors = StringIO()
    call_command("create_account", "Acme", *OWNER, stdout=StringIO(), stderr=errors)
    assert "keeps their password" in errors.getvalue()
    assert User.objects.get().check_password("the old one")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("", *OWNER), "name"),
        (("x" * 201, *OWNER), "name"),
        (("Acme", "--owner", "nobody", "--password", "x"), "e-mail"),
        (("Acme", "--owner", "owner@example.com", "--password", ""), "password"),
        (("Acme",), "--owner"),
    ],
)
def test_create_account_refuses_what_makes_no_account(arguments: tuple[str, ...], words: str) -> None:
    with pytest.raises(CommandError, match=words):
        run("create_account", *arguments)
    assert not Account.objects.exists()


def test_create_api_key_prints_a_key_that_works_and_is_logged() -> None:
    account = make_account()
    answer = run("create_api_key", "--account", str(account.pk), "--name", "Munki")
    assert set(answer) == {"api_key"}
    key = find_api_key(answer["api_key"])
    assert (key.account, key.name, key.access) == (account, "Munki", ApiKey.Access.READ_WRITE)
    event = Event.objects.get(event_type="api_key.created")
    assert event.metadata["name"] == "Munki"
    assert answer["api_key"] not in str(event.metadata)


def test_create_api_key_can_make_a_key_that_only_reads() -> None:
    answer = run("create_api_key", "--account", str(make_account().pk), "--name", "Report", "--read-only")
    assert find_api_key(answer["api_key"]).access == ApiKey.Access.READ_ONLY


def test_create_api_key_may_be_repeated() -> None:
    arguments = ("create_api_key", "--account", str(make_account().pk), "--name", "Munki")
    assert run(*arguments) != run(*arguments)


@pytest.mark.parametrize("account_id", ["0", "999", str(10**30)])
def test_an_unknown_account_is_named(account_id: str, tmp_path: Path) -> None:
    for command in (
        ("create_api_key", "--account", account_id, "--name", "x"),
        ("trust_device_ca", "--account", account_id, str(tmp_path / "ca.pem")),
    ):
        with pytest.raises(CommandError, match=f"no account with the id {account_id}"):
            run(*command)


def test_create_api_key_needs_a_name() -> None:
    with pytest.raises(CommandError, match="name"):
        run("create_api_key", "--account", str(make_account().pk), "--name", " ")


def ca_file(folder: Path) -> Path:
    path = folder / "ca.pem"
    path.write_bytes(certs.create_ca("Theirs", organization="Them", key=rsa_key("external")).public_bytes(Encoding.PEM))
    return path


def test_trust_device_ca_stores_the_authority_and_may_be_repeated(tmp_path: Path) -> None:
    account, path = make_account(), ca_file(tmp_path)
    arguments = ("trust_device_ca", "--account", str(account.pk), str(path))
    answer = run(*arguments)
    trusted = TrustedAuthority.objects.get()
    assert answer == {"trusted_authority_id": trusted.pk, "fingerprint": trusted.fingerprint}
    assert trusted.account == account
    assert run(*arguments) == answer


def test_trust_device_ca_names_the_fault_of_a_file(tmp_path: Path) -> None:
    account = str(make_account().pk)
    with pytest.raises(CommandError, match=r"cannot be read: No such file"):
        run("trust_device_ca", "--account", account, str(tmp_path / "missing.pem"))
    (tmp_path / "rubbish.pem").write_text("hello")
    with pytest.raises(CommandError, match=r"rubbish\.pem: The file is not a readable certificate"):
        run("trust_device_ca", "--account", account, str(tmp_path / "rubbish.pem"))
    assert not TrustedAuthority.objects.exists()
