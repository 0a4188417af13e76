"""The rotation command: every encrypted value of every model gets the first key; nothing else changes."""

import base64
import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from devices.models import EscrowKey, OperationOrder
from devices.services.agent_keys import agent_key
from enrollment.services.ca import authority_of
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.common import crypto
from mdm.common.fields import EncryptedBinaryField, EncryptedJSONField, EncryptedTextField
from mdm.management.commands import rotate_field_keys
from mdm.push.models import PushRequest
from tests.factories import (
    make_account,
    make_attribute,
    make_attribute_value,
    make_command,
    make_content_token,
    make_delivery,
    make_dep_server,
    make_dep_settings,
    make_device,
    make_installer_certificate,
    make_managed_config,
    make_operation,
    make_person_invitation,
    make_profile,
    make_script_agent,
    make_script_job,
    make_script_run,
    make_webhook,
)
from tests.factories.secrets import make_secrets
from tests.factories.wanted import make_store_app
from tests.mdm.push.certificates import make_push_certificate, make_signing

pytestmark = pytest.mark.django_db


def key(name: str, byte: bytes) -> str:
    return f"{name}:{base64.b64encode(byte * 32).decode()}"


OLD, NEW, OTHER = key("old", b"o"), key("new", b"n"), key("other", b"x")


@pytest.fixture
def rows(settings: Settings) -> tuple[Channel, Command, PushRequest]:
    """One row for each kind of encrypted field, written with the old key."""
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    account = make_account()
    channel = make_device(account=account).device_channel
    channel.unlock_token, channel.bootstrap_token = b"unlock", b""
    channel.save()
    command = Command(account=account, channel=channel, request_type="DeviceLock", secrets={"PIN": "123456"})
    command.result = b"answer " * 1000
    command.save()
    request = PushRequest.objects.create(account=account, key_pem="a key", csr_der=b"")
    return channel, command, request


def rotate() -> dict[str, int]:
    out = StringIO()
    call_command("rotate_field_keys", stdout=out, stderr=StringIO())
    return json.loads(out.getvalue())


def values(rows: tuple[Channel, Command, PushRequest]) -> list[object]:
    channel, command, request = (type(row).objects.get(pk=row.pk) for row in rows)
    return [channel.unlock_token, channel.bootstrap_token, command.secrets, command.result, request.key_pem]


def test_every_value_is_readable_with_the_new_key_alone(rows: tuple, settings: Settings) -> None:
    before = values(rows)
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    assert rotate() == {"rotated": 4, "unreadable": 0}
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    assert values(rows) == before == [b"unlock", b"", {"PIN": "123456"}, b"answer " * 1000, "a key"]


def test_a_second_run_finds_nothing_to_do(rows: tuple, settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    rotate()
    stored = Channel.objects.filter(pk=rows[0].pk).values_list("unlock_token", flat=True).get()
    assert rotate() == {"rotated": 0, "unreadable": 0}
    assert Channel.objects.filter(pk=rows[0].pk).values_list("unlock_token", flat=True).get() == stored


def test_all_rows_are_reached_however_small_the_batch(
    rows: tuple, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotate_field_keys, "BATCH", 2)
    channel = rows[0]
    for number in range(5):
        Command.objects.create(
            account=channel.account, channel=channel, request_type="DeviceLock", secrets={"PIN": str(number)}
        )
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    assert rotate() == {"rotated": 9, "unreadable": 0}
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    assert [row.secrets["PIN"] for row in Command.objects.order_by("pk")] == ["123456", "0", "1", "2", "3", "4"]


def test_what_cannot_be_read_is_named_and_left_alone_and_the_rest_is_done(rows: tuple, settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [OTHER]
    rows[2].key_pem = "written with a third key"
    rows[2].save()
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    out, errors = StringIO(), StringIO()
    with pytest.raises(CommandError, match="1 values"):
        call_command("rotate_field_keys", stdout=out, stderr=errors)
    assert json.loads(out.getvalue()) == {"rotated": 3, "unreadable": 1}
    assert f"PushRequest {rows[2].pk}" in errors.getvalue()
    assert "third key" not in errors.getvalue()
    settings.FIELD_ENCRYPTION_KEYS = [OTHER]
    assert PushRequest.objects.get().key_pem == "written with a third key"


def test_a_value_stored_meanwhile_is_not_overwritten(
    rows: tuple, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    decrypt = crypto.decrypt

    def decrypt_slowly(stored: bytes, *, place: str) -> bytes:
        """Between reading and writing a device brings a new token."""
        if place.startswith("mdm_channels"):
            channel = Channel.objects.get(pk=rows[0].pk)
            channel.__dict__["unlock_token"] = b"a newer one"
            channel.save()
        return decrypt(stored, place=place)

    monkeypatch.setattr(crypto, "decrypt", decrypt_slowly)
    assert rotate()["rotated"] == 3
    monkeypatch.undo()
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    assert Channel.objects.get(pk=rows[0].pk).unlock_token == b"a newer one"


def test_no_encrypted_field_is_forgotten() -> None:
    found = {f"{model._meta.label}.{field.name}" for model, field in rotate_field_keys.encrypted_fields()}
    assert {
        "mdm_channels.Channel.unlock_token",
        "mdm_channels.Channel.bootstrap_token",
        "mdm_commands.Command.secrets",
        "mdm_commands.Command.raw_plist",
        "mdm_commands.Command.result",
        "mdm_push.PushCertificate.key_pem",
        "mdm_push.PushRequest.key_pem",
        "enrollment.CertificateAuthority.key_pem",
    } <= found


def test_every_encrypted_field_of_every_model_is_reached(settings: Settings) -> None:
    settings.FIELD_ENCRYPTION_KEYS = [OLD]
    account = make_account()
    device = make_device(account=account)
    profile, server, webhook = make_profile(account), make_dep_server(account), make_webhook(account)
    made = [
        make_attribute(account, "room"),
        make_attribute_value(device, make_attribute(account, "desk"), "4"),
        make_command(device),
        make_managed_config(make_store_app(account)),
        make_person_invitation(account),
        OperationOrder.objects.create(account=account, operation=make_operation(account)),
        make_push_certificate(account),
        make_script_agent(device),
        make_script_run(make_script_job(account), device),
        make_secrets(device),
        webhook,
        make_delivery(webhook),
        make_installer_certificate(account),
        agent_key(account.pk),
        authority_of(account),
        EscrowKey.objects.create(account=account),
        PushRequest.objects.create(account=account, csr_der=b""),
        *make_signing(account),
        device.device_channel,
        profile.versions.get(),
        make_dep_settings(server),
        make_content_token(account),
        server,
        server.key,
    ]
    fields = list(rotate_field_keys.encrypted_fields())
    assert {type(row) for row in made} == {model for model, _ in fields}
    samples = {EncryptedTextField: "secret", EncryptedBinaryField: b"secret", EncryptedJSONField: {"a": "secret"}}
    for row in made:
        for model, field in fields:
            if isinstance(row, model):
                setattr(row, field.name, samples[type(field)])
        row.save()
    settings.FIELD_ENCRYPTION_KEYS = [NEW, OLD]
    rotate()
    settings.FIELD_ENCRYPTION_KEYS = [NEW]
    for model, field in fields:
        values = [getattr(row, field.name) for row in model.objects.filter(pk__in=[row.pk for row in made])]
        assert samples[type(field)] in values, field
