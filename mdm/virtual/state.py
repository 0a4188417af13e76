"""What one virtual device remembers: everything that commands can change."""

import copy
import random
import uuid
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Self

from mdm.virtual.app_names import first_apps
from mdm.virtual.catalogue import RELEASES, Facts, Platform

DEVICE_SCOPE = ""  # key of the device's own profiles, beside the short names of a Mac's users
RECOVERY_KEY_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
FIRST_NAMES = ("Ada", "Ben", "Chloe", "David", "Elif", "Farid", "Grace", "Hugo", "Ines", "Jonas", "Kim", "Lena")


def now() -> datetime:
    """Naive UTC without microseconds: the shape of a property list's date."""
    return datetime.now(UTC).replace(tzinfo=None, microsecond=0)


@dataclass
class DeviceState:
    """Plain property-list values only, so that a device can be written to a file and come back.

    profiles: scope (DEVICE_SCOPE or a user's short name) → identifier → {content, signers, managed}.
    user_channels: short name → {push_token, push_magic}.
    apps, managed_apps: bundle identifier → what the lists report, and WasManaged: whether the app is there as a managed
    one, whatever its present status. installs: bundle identifier → what is on its way, see `installing.begin`.
    redemptions: bundle identifier → the row of an app that waits for its code.
    users: short name → what UserList reports.
    """

    name: str
    os_version: str
    build_version: str
    next_version: str
    next_build: str
    push_token: bytes
    push_magic: str
    unlock_token: bytes
    apps: dict[str, dict[str, Any]]
    users: dict[str, dict[str, Any]]
    recovery_key: str
    host_name: str = ""
    user_channels: dict[str, dict[str, Any]] = field(default_factory=dict)
    profiles: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    managed_apps: dict[str, dict[str, Any]] = field(default_factory=dict)
    installs: dict[str, dict[str, Any]] = field(default_factory=dict)
    redemptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    store_account_is_active: bool = True
    provisioning_profiles: dict[str, dict[str, Any]] = field(default_factory=dict)
    media: list[dict[str, Any]] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    battery_level: float = 0.8
    used_gb: float = 40.0
    passcode_present: bool = True
    restrictions_passcode_present: bool = True
    lost_mode: dict[str, str] | None = None
    lost_mode_sounds: int = 0
    lock: dict[str, str] | None = None
    filevault_enabled: bool = True
    firewall_enabled: bool = True
    firmware_password: str = ""
    firmware_change_pending: bool = False
    recovery_lock: str = ""
    remote_desktop: bool = False
    bootstrap_token: bytes | None = None
    bypass_code: str | None = None
    account_configuration: dict[str, Any] | None = None
    admin_accounts: list[dict[str, Any]] = field(default_factory=list)
    awaiting_configuration: bool = False
    enrolled_via_dep: bool = False
    update: dict[str, Any] | None = None
    is_mirroring: bool = False
    is_collecting_logs: bool = False
    declarations: dict[str, dict[str, Any]] = field(default_factory=dict)
    declarations_token: str = ""
    restarts: int = 0
    shutdowns: int = 0
    erasures: int = 0

    def profiles_of(self, scope: str) -> dict[str, dict[str, Any]]:
        return self.profiles.setdefault(scope, {})

    def payloads(self, kind: str) -> list[dict[str, Any]]:
        """Payloads of one type in all profiles of the device itself."""
        profiles = self.profiles_of(DEVICE_SCOPE).values()
        return [p for row in profiles for p in row["content"]["PayloadContent"] if p.get("PayloadType") == kind]

    def dump(self) -> dict[str, Any]:
        """Property lists know no null: absent means None."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: copy.deepcopy(value) for name, value in values.items() if value is not None}

    @classmethod
    def load(cls, data: dict[str, Any]) -> Self:
        return cls(**copy.deepcopy(data))


def fresh_state(facts: Facts, rng: random.Random, *, name: str | None = None, shared: bool = False) -> DeviceState:
    """A device out of the box, after somebody has used it for a while."""
    platform = facts.model.platform
    present, following = RELEASES[platform]
    owner = rng.choice(FIRST_NAMES)
    name = name or f"{owner}’s {facts.model.model_name}"
    return DeviceState(
        name=name,
        host_name="-".join(name.replace("’", "").split()),
        os_version=present.version,
        build_version=present.build,
        next_version=following.version,
        next_build=following.build,
        push_token=rng.randbytes(32),
        push_magic=str(uuid.UUID(int=rng.getrandbits(128), version=4)).upper(),
        unlock_token=rng.randbytes(rng.randint(900, 2200)),
        apps=first_apps(platform, rng),
        users=_first_users(platform, owner, rng, shared),
        recovery_key="-".join("".join(rng.choices(RECOVERY_KEY_LETTERS, k=4)) for _ in range(6)),
        settings=_first_settings(platform),
        battery_level=round(rng.uniform(0.15, 1.0), 2),
        used_gb=round(facts.model.capacity_gb * rng.uniform(0.3, 0.8), 2),
        bypass_code="-".join("".join(rng.choices(RECOVERY_KEY_LETTERS, k=5)) for _ in range(5)),
    )


def _first_users(platform: Platform, owner: str, rng: random.Random, shared: bool) -> dict[str, dict[str, Any]]:
    if platform == "macos":
        people = [(owner.lower(), owner, True), ("support", "Support", False)]
        return {short: mac_user(short, full, 501 + n, rng, on) for n, (short, full, on) in enumerate(people)}
    if not shared:
        return {}
    names = [f"{person.lower()}@school.example" for person in rng.sample(FIRST_NAMES, 2)]
    return {name: shared_ipad_user(name, is_logged_in=n == 0) for n, name in enumerate(names)}


def mac_user(short_name: str, full_name: str, uid: int, rng: random.Random, is_logged_in: bool) -> dict[str, Any]:
    return {
        "UserName": short_name,
        "FullName": full_name,
        "UID": uid,
        "UserGUID": str(uuid.UUID(int=rng.getrandbits(128), version=4)).upper(),
        "IsLoggedIn": is_logged_in,
        "MobileAccount": False,
        "HasSecureToken": True,
    }


def shared_ipad_user(name: str, *, is_logged_in: bool) -> dict[str, Any]:
    return {
        "UserName": name,
        "IsLoggedIn": is_logged_in,
        "HasDataToSync": False,
        "DataQuota": 4_000_000_000,
        "DataUsed": 350_000_000,
    }


def _first_settings(platform: Platform) -> dict[str, Any]:
    """Keyed by Apple's item names; DeviceName and HostName live in fields of their own."""
    if platform == "macos":
        return {"Bluetooth": True}
    return {
        "Bluetooth": True,
        "DataRoaming": False,
        "VoiceRoaming": False,
        "PersonalHotspot": False,
        "DiagnosticSubmission": False,
        "AppAnalytics": False,
        "TimeZone": "Europe/Berlin",
    }
