"""How a device is protected, and what it entrusted to us: each secret is shown by itself, to whom asks for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from devices.admin.facts import security_facts
from devices.admin.page.protection import protections
from devices.models import Device
from devices.services.revealing import Kept, Secret, can_be_rotated, kept_of

# What it is called, and what it is good for.
SECRETS: dict[Secret, tuple[Promise, Promise]] = {
    Secret.FILEVAULT: (
        gettext_lazy("FileVault recovery key"),
        gettext_lazy("Opens the disk of the Mac when its user has forgotten the password."),
    ),
    Secret.RECOVERY_LOCK: (
        gettext_lazy("Recovery lock password"),
        gettext_lazy("A Mac with Apple silicon asks for it before it starts into recovery."),
    ),
    Secret.FIRMWARE: (
        gettext_lazy("Firmware password"),
        gettext_lazy("An Intel Mac asks for it before it starts from another disk."),
    ),
    Secret.ADMIN: (
        gettext_lazy("Administrator’s password"),
        gettext_lazy("Of the account that automated enrollment made on the Mac."),
    ),
    Secret.UNLOCK_PIN: (
        gettext_lazy("Unlock PIN"),
        gettext_lazy("Six digits of the last Lock; the Mac asks for them."),
    ),
    Secret.BYPASS_CODE: (
        gettext_lazy("Activation Lock bypass code"),
        gettext_lazy("Takes Activation Lock off: type it in place of the password, the user name stays empty."),
    ),
}
# How each comes here, said where there is none yet.
HOW_IT_COMES: dict[Secret, Promise] = {
    Secret.FILEVAULT: gettext_lazy("It comes with the next inventory of a Mac that has the escrow profile."),
    Secret.RECOVERY_LOCK: gettext_lazy("Change it here once, and it is kept."),
    Secret.FIRMWARE: gettext_lazy("Change it here once, and it is kept."),
    Secret.ADMIN: gettext_lazy("Change it here once, and it is kept."),
    Secret.UNLOCK_PIN: gettext_lazy("The Mac was not locked from here."),
    Secret.BYPASS_CODE: gettext_lazy("Ask a supervised device for it by the command “Activation Lock bypass code”."),
}


@dataclass(frozen=True)
class SecretLine:
    """rotates: what the button that has the Mac take another one says; empty where there is none."""

    kept: Kept
    title: str
    about: str
    how_it_comes: str
    rotates: str


def security(device: Device, query: Mapping[str, str]) -> dict[str, Any]:
    return {
        "protections": protections(device),
        "secrets": [_line(device, kept) for kept in kept_of(device) if _can_have(device, kept)],
        "security_facts": security_facts(device),
    }


def title_of(secret: Secret) -> str:
    return str(SECRETS[secret][0])


def _line(device: Device, kept: Kept) -> SecretLine:
    title, about = SECRETS[kept.secret]
    rotates = ""
    if can_be_rotated(kept.secret) and device.is_enrolled and not kept.is_changing:
        # A Mac gives a new recovery key only in exchange for the present one.
        is_possible = kept.is_there or kept.secret is not Secret.FILEVAULT
        rotates = (_("Change") if kept.is_there else _("Set one")) if is_possible else ""
    return SecretLine(kept, str(title), str(about), str(HOW_IT_COMES[kept.secret]), rotates)


def _can_have(device: Device, kept: Kept) -> bool:
    """A Mac has either the password of its firmware or that of its recovery; what is kept is shown in any case."""
    is_apple_silicon = device.information.get("IsAppleSilicon")
    if kept.secret is Secret.FIRMWARE:
        return kept.is_there or is_apple_silicon is not True
    if kept.secret is Secret.RECOVERY_LOCK:
        return kept.is_there or is_apple_silicon is not False
    if kept.secret is Secret.ADMIN:
        return kept.is_there or bool(device.information.get("AutoSetupAdminAccounts"))
    return True
