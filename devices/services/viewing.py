"""The log of who saw secrets."""

from collections.abc import Mapping, Sequence

from devices.models import Device
from mdm.accounts.actors import Actor
from mdm.events.services import emit


def log_viewed(
    account_id: int,
    shown: Mapping[str, Sequence[int]],
    *,
    of: str = "device",
    actor: Actor,
    device: Device | None = None,
) -> None:
    """One line for one answer, none if it showed no secret.

    shown: name of the secret → pks of those whose it is; of: what these are. device: when the answer is about one only.
    """
    if shown:
        # As texts: of a list the log keeps fewer entries than a page may hold devices.
        secrets = {name: ", ".join(map(str, pks)) for name, pks in shown.items()}
        emit("secret.viewed", account_id=account_id, actor=actor, device=device, of=of, secrets=secrets)
