"""A virtual iPhone, iPad or Mac: enrolls, checks in, answers commands, remembers what it was told."""

import random
import uuid
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

import httpx

from mdm.virtual import agent, declarations, installing
from mdm.virtual.automated import AutomatedEnrolling
from mdm.virtual.by_hand import ByHand
from mdm.virtual.catalogue import Facts, Platform, choose_model, make_facts
from mdm.virtual.channel import Behaviour, ManagementChannel
from mdm.virtual.enrollment_profile import ConfigurationProfile, parse_profile
from mdm.virtual.errors import NotEnrolled, ServerRefused
from mdm.virtual.keys import Identity, KeySource, generate_key
from mdm.virtual.mdm_signature import SignatureStyle
from mdm.virtual.scene import App, Scene
from mdm.virtual.state import DeviceState, fresh_state
from mdm.virtual.user import VirtualUser

USER_AGENTS = {"ios": "MDM/1.0", "macos": "MDM-OSX/1.0 mdmclient/2051.5"}
FIELD_SCEP = {"cipher": "3des", "digest": "sha1", "transport": "post-query"}


class VirtualDevice(AutomatedEnrolling, ByHand):
    """One device; not thread-safe, the client may be shared between devices.

    model: a product name of the catalogue. scep: keyword arguments for ScepClient that override what the profile and
    GetCACaps say. renewal_style: what follows a replaced enrollment profile before its answer, nothing or a new
    Authenticate and TokenUpdate. store: iTunesStoreID → (bundle identifier, name, version).

    What the world around it is like may be changed at any time and is not part of `dump`: `behaviour`; `store`; `paid`, the
    store ids or bundle identifiers of apps that are not free; `packages`, a manifest's bundle identifier → the apps
    (bundle identifier, name, version) that the package brings, without an entry one app of that identifier.
    """

    def __init__(
        self,
        platform: Platform,
        *,
        client: httpx.Client,
        serial: str | None = None,
        udid: str | None = None,
        name: str | None = None,
        model: str | None = None,
        seed: int | str | None = None,
        key_source: KeySource = generate_key,
        signature_style: SignatureStyle = "modern",
        scep: Mapping[str, Any] | None = None,
        renewal_style: Literal["quiet", "authenticate"] = "quiet",
        is_supervised: bool = True,
        is_shared_ipad: bool = False,
        store: Mapping[int, App] | None = None,
    ) -> None:
        self.client = client
        # Repeatable on purpose: it invents facts and answers; keys come from the operating system.
        self.rng = random.Random(seed)  # noqa: S311
        chosen = choose_model(platform, self.rng, model or ("iPad13,18" if is_shared_ipad else None))
        self.facts: Facts = make_facts(chosen, self.rng, serial, udid)
        self.is_supervised, self.is_shared_ipad = is_supervised, is_shared_ipad
        self.state: DeviceState = fresh_state(self.facts, self.rng, name=name, shared=is_shared_ipad)
        self.key_source, self.signature_style = key_source, signature_style
        self.scep_overrides = {**(FIELD_SCEP if signature_style == "field" else {}), **(scep or {})}
        self.renewal_style = renewal_style
        self.store: Mapping[int, App] = store or {}
        self.paid: set[int | str] = set()
        # The agent is a program without an app: no list shows it.
        self.packages: dict[str, tuple[App, ...]] = {agent.DOMAIN: ()}
        self.identity: Identity | None = None
        self.profile: ConfigurationProfile | None = None
        self.enrollment_id = str(uuid.UUID(int=self.rng.getrandbits(128), version=4)).upper()
        self.behaviour = Behaviour()
        self.declarative_refusals: list[ServerRefused] = []

    def __repr__(self) -> str:
        return f"<VirtualDevice {self.facts.model.marketing_name} {self.facts.serial}>"

    # Who it is

    @property
    def device(self) -> "VirtualDevice":
        return self

    @property
    def platform(self) -> Platform:
        return self.facts.model.platform

    @property
    def serial(self) -> str:
        return self.facts.serial

    @property
    def udid(self) -> str:
        return self.facts.udid

    @property
    def is_enrolled(self) -> bool:
        return self.profile is not None and self.identity is not None

    @property
    def is_user_enrollment(self) -> bool:
        return self.profile is not None and self.mdm_payload.get("EnrollmentMode") == "BYOD"

    @property
    def headers(self) -> dict[str, str]:
        return {"User-Agent": USER_AGENTS[self.platform]}

    @property
    def mdm_payload(self) -> dict[str, Any]:
        payload = self.require_enrollment().mdm
        if payload is None:
            raise NotEnrolled("the enrollment profile has no MDM payload")
        return payload

    @property
    def topic(self) -> str:
        return self.mdm_payload["Topic"]

    @property
    def connect_url(self) -> str:
        return self.mdm_payload["ServerURL"]

    @property
    def checkin_url(self) -> str:
        return self.mdm_payload.get("CheckInURL") or self.connect_url

    @property
    def signs_messages(self) -> bool:
        return bool(self.mdm_payload.get("SignMessage"))

    def require_enrollment(self) -> ConfigurationProfile:
        if self.profile is None:
            raise NotEnrolled(f"{self.serial} has no enrollment profile")
        return self.profile

    def require_identity(self) -> Identity:
        if self.identity is None:
            raise NotEnrolled(f"{self.serial} has no identity")
        return self.identity

    def channel_ids(self) -> dict[str, Any]:
        if self.is_user_enrollment:
            return {"EnrollmentID": self.enrollment_id}
        return {"UDID": self.udid}

    def user(self, short_name: str, long_name: str | None = None) -> VirtualUser:
        """The channel of one of its users; Macs and Shared iPads have them."""
        if self.platform == "ios" and not self.is_shared_ipad:
            raise ValueError("only Macs and Shared iPads have user channels")
        return VirtualUser(self, short_name, long_name)

    # What commands do to it

    def scene(self, user_name: str | None) -> Scene:
        return Scene(
            facts=self.facts,
            state=self.state,
            identity=self.require_identity(),
            is_supervised=self.is_supervised,
            is_shared_ipad=self.is_shared_ipad,
            is_user_enrollment=self.is_user_enrollment,
            rng=self.rng,
            enrollment_identifier=self.require_enrollment().identifier,
            replace_enrollment=self.replace_enrollment,
            fetch=self._fetch,
            store=self.store,
            paid=self.paid,
            packages=self.packages,
            installs=self.behaviour.installs,
            user=user_name,
        )

    def sync_declarations(self, channel: ManagementChannel | None = None) -> bool:
        """A declarative-management round; True when anything had changed. Raises ServerRefused."""
        channel = channel or self
        return declarations.synchronize(channel, self.scene(channel.user_name))

    def sync_after_command(self, channel: ManagementChannel) -> None:
        """As `sync_declarations`; a refusal is kept for whoever watches, the device would try again another time."""
        try:
            self.sync_declarations(channel)
        except ServerRefused as refusal:
            self.declarative_refusals.append(refusal)

    def _fetch(self, url: str) -> bytes | None:
        try:
            response = self.client.get(url, headers=self.headers, follow_redirects=True)
        except (httpx.HTTPError, httpx.InvalidURL):
            return None
        return response.content if response.status_code == 200 else None

    def forget_management(self) -> None:
        """Managed profiles, books and those apps that are to go with the enrollment profile go with it."""
        state = self.state
        state.profiles = {s: {i: r for i, r in rows.items() if not r["managed"]} for s, rows in state.profiles.items()}
        installing.forget_management(state, keeps_apps=not self.is_user_enrollment)
        state.media, state.declarations, state.declarations_token = [], {}, ""
        state.lost_mode, state.bootstrap_token = None, None
        state.awaiting_configuration = state.enrolled_via_dep = False
        self.identity = self.profile = None

    def erase(self) -> None:
        """Out of the box again: other name, tokens and apps, no management, no word to the server."""
        erasures = self.state.erasures + 1
        self.identity = self.profile = None
        self.state = fresh_state(self.facts, self.rng, shared=self.is_shared_ipad)
        self.state.erasures = erasures

    # To a file and back

    def dump(self) -> dict[str, Any]:
        """Everything as property-list values, private key included: keep it secret."""
        data: dict[str, Any] = {
            "facts": {**asdict(self.facts), "model": self.facts.model.product_name},
            "platform": self.platform,
            "state": self.state.dump(),
            "signature_style": self.signature_style,
            "renewal_style": self.renewal_style,
            "is_supervised": self.is_supervised,
            "is_shared_ipad": self.is_shared_ipad,
            "enrollment_id": self.enrollment_id,
        }
        if self.profile is not None:
            data["profile"] = self.profile.raw
        if self.identity is not None:
            data["identity"] = self.identity.dump()
        if self.factory_identity is not None:
            data["factory_identity"] = self.factory_identity.dump()
        return data

    @classmethod
    def load(
        cls, data: Mapping[str, Any], *, client: httpx.Client, key_source: KeySource = generate_key
    ) -> "VirtualDevice":
        device = cls(
            data["platform"],
            client=client,
            model=data["facts"]["model"],
            key_source=key_source,
            **{k: data[k] for k in ("signature_style", "renewal_style", "is_supervised", "is_shared_ipad")},
        )
        device.facts = Facts(**{**data["facts"], "model": device.facts.model})
        device.state = DeviceState.load(data["state"])
        device.enrollment_id = data["enrollment_id"]
        device.profile = parse_profile(data["profile"]) if "profile" in data else None
        device.identity = Identity.load(data["identity"]) if "identity" in data else None
        device.factory_identity = Identity.load(data["factory_identity"]) if "factory_identity" in data else None
        return device
