"""Keys of an installation that was given none: made once and kept in the data directory, readable by its owner only."""

import base64
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class EmbeddedKeys:
    secret_key: str
    field_encryption_key: str


def load_or_create(data_dir: Path) -> EmbeddedKeys:
    """Read `keys.json` in data_dir; the first process to come makes it. Losing the file makes every stored secret unreadable."""
    path = data_dir / "keys.json"
    if not path.exists():
        _create(path)
    return EmbeddedKeys(**json.loads(path.read_text()))


def _create(path: Path) -> None:
    """Write to a temporary file and link it into place: of several processes starting at once exactly one wins."""
    path.parent.mkdir(parents=True, exist_ok=True)
    keys = {
        "secret_key": secrets.token_urlsafe(48),
        "field_encryption_key": "embedded:" + base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
    }
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(keys, file)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        temporary.unlink()
