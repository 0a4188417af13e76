"""Scripts of the account. Jobs hold a copy: what is changed or deleted here changes none of them."""

from typing import Any

from django.db import transaction

from devices.models import Script
from devices.services.errors import NotPossible
from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.events.services import emit

MAX_BYTES = 256 * 1024


def read_content(data: bytes) -> str:
    """The text of a script, line ends as they are. Raises NotPossible for what no Mac could run."""
    if not data.strip():
        raise NotPossible("The script is empty.")
    if len(data) > MAX_BYTES:
        raise NotPossible(f"The script is larger than {MAX_BYTES // 1024} KiB.")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise NotPossible(f"The script is not UTF-8 text (byte {error.start + 1}).") from error
    if "\x00" in text:
        raise NotPossible("The script contains a NUL character, so it is not a text.")
    if not text.startswith("#!"):
        raise NotPossible("The script must begin with a shebang, for example #!/bin/sh.")
    return text


def create_script(
    account: Account, *, name: str, content: bytes, variable_support: bool = False, actor: Actor
) -> Script:
    """Raises NotPossible for content that is no script."""
    text = read_content(content)
    with transaction.atomic():
        script = Script.objects.create(account=account, name=name, content=text, variable_support=variable_support)
        emit("script.created", account_id=account.pk, actor=actor, script_id=script.pk, name=name)
    return script


def update_script(
    script: Script,
    *,
    name: str | None = None,
    content: bytes | None = None,
    variable_support: bool | None = None,
    actor: Actor,
) -> Script:
    """None leaves it as it is. Raises NotPossible for content that is no script; then nothing is changed."""
    wanted: dict[str, Any] = {
        "name": name,
        "content": None if content is None else read_content(content),
        "variable_support": variable_support,
    }
    changed = [key for key, value in wanted.items() if value is not None and value != getattr(script, key)]
    if not changed:
        return script
    with transaction.atomic():
        for key in changed:
            setattr(script, key, wanted[key])
        script.save(update_fields=[*changed, "updated_at"])
        emit(
            "script.updated",
            account_id=script.account_id,
            actor=actor,
            script_id=script.pk,
            name=script.name,
            changed=changed,
        )
    return script


def delete_script(script: Script, actor: Actor) -> None:
    with transaction.atomic():
        emit("script.removed", account_id=script.account_id, actor=actor, script_id=script.pk, name=script.name)
        script.delete()
