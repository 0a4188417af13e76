"""The line by which a Mac fetches its scripts: MDM cannot run any. Its address and token arrive in a managed profile.

The profile holds preferences of the domain `com.pomona.agent`: a payload of a type that macOS does not know becomes the
managed preferences of the domain of that name. Source: Apple, "Managed Preferences".
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from devices.models import AgentKey, Device, DeviceState, Platform, RunState, ScriptAgent, ScriptRun
from devices.services.agent_keys import agent_key, signing_key
from devices.services.errors import NotPossible
from devices.services.lines import UNANSWERED, open_lines
from mdm.commands.models import Command
from mdm.commands.services import enqueue_each, recipe
from mdm.common.text import clean_text
from mdm.common.tokens import digest, new_token
from mdm.protocol.profile import configuration, payload, stable_uuid
from mdm.protocol.request_types.targets import is_older

DOMAIN = "com.pomona.agent"
PROFILE_IDENTIFIER = f"{DOMAIN}.profile"
RECIPE = "script_agent"
TOKEN_BYTES = 32
MAX_TOKEN_LENGTH = 200
CHUNK = 200
FIRST_WITH_SWITCH = "13"  # of macOS, whose System Settings list daemons under Login Items


# --- Getting it there -------------------------------------------------------------------------------------------------
def provide_agents() -> int:
    """Queue the profile for every Mac that has a script to run and no profile yet. Returns for how many.

    It needs another, with another token, when it enrolled anew since, when the command ended without an answer, or when its
    profile does not name the key with which orders are signed.
    """
    total, after = 0, 0
    while True:
        with transaction.atomic():
            some = _macs_without().filter(pk__gt=after).order_by("pk").defer("information", "security")
            macs = list(some.select_for_update(skip_locked=True, of=("self",), no_key=True)[:CHUNK])
            if not macs:
                return total
            # Asked again behind the lock: another worker may have been there between the question and the lock.
            still = set(_macs_without().filter(pk__in=[mac.pk for mac in macs]).values_list("pk", flat=True))
            total += _provide([mac for mac in macs if mac.pk in still])
        after = macs[-1].pk


def provide_agent(mac: Device) -> bool:
    """Queue the profile for this Mac, with a script to run or without, if it has none that counts. Locked by the caller."""
    return _lacking().filter(pk=mac.pk).exists() and bool(_provide([mac]))


def provide_several(macs: list[Device]) -> int:
    """The same for several Macs, locked by the caller. Returns for how many."""
    lacking = set(_lacking().filter(pk__in=[mac.pk for mac in macs]).values_list("pk", flat=True))
    return _provide([mac for mac in macs if mac.pk in lacking]) if lacking else 0


def _macs_without() -> QuerySet[Device]:
    waiting = ScriptRun.objects.filter(device=OuterRef("pk"), state=RunState.PENDING)
    return _lacking().filter(Exists(waiting))


def _lacking() -> QuerySet[Device]:
    lost = Command.objects.filter(
        channel__device=OuterRef("pk"), command_uuid=OuterRef("script_agent__command_uuid"), state__in=UNANSWERED
    )
    named_key = AgentKey.objects.filter(
        account=OuterRef("account"), created_at__lte=OuterRef("script_agent__created_at")
    )
    return Device.objects.filter(
        Q(script_agent=None) | Q(script_agent__created_at__lt=F("enrolled_at")) | Exists(lost) | ~Exists(named_key),
        platform=Platform.MACOS,
        state=DeviceState.ENROLLED,
        removed_at=None,
    )


def _provide(macs: list[Device]) -> int:
    """The Macs are locked by the caller."""
    lines = open_lines(macs)
    channels = [lines[mac.pk][""] for mac in macs if "" in lines.get(mac.pk, {})]
    for account_id in {mac.account_id for mac in macs}:
        agent_key(account_id)  # older than the rows made below: their profiles name it
    commands = enqueue_each([(channel, recipe("InstallProfile", RECIPE)) for channel in channels])
    former = ScriptAgent.objects.filter(device__in=[channel.device_id for channel in channels])
    known = {agent.device_id: agent for agent in former.defer("token")}
    former.delete()
    ScriptAgent.objects.bulk_create(
        _new_agent(channel.device, command.command_uuid, known.get(channel.device_id))
        for channel, command in zip(channels, commands, strict=True)
    )
    return len(channels)


def _new_agent(device: Device, command_uuid: str, former: ScriptAgent | None) -> ScriptAgent:
    token = new_token(TOKEN_BYTES)
    agent = ScriptAgent(
        account_id=device.account_id,
        device=device,
        token=token,
        token_digest=digest(token),
        command_uuid=command_uuid,
    )
    if former and not (device.enrolled_at and former.created_at < device.enrolled_at):
        # Only the profile is another: the program is there, or on its way. After an enrollment nobody knows.
        for name in ("version", "last_seen_at", "package_command_uuid", "package_sent_at"):
            setattr(agent, name, getattr(former, name))
    return agent


def agent_profile(device: Device) -> bytes:
    """The profile with address, token and the account's key, unsigned. Raises NotPossible when the Mac has no agent any more."""
    agent = ScriptAgent.objects.filter(device=device).first()
    if agent is None:
        raise NotPossible("This Mac has no line for scripts any more.")
    preferences = payload(
        DOMAIN,
        f"{DOMAIN}.preferences",
        stable_uuid(device.uuid, "script agent"),
        "Scripts",
        URL=f"{settings.BASE_URL}/mdm/agent",
        Token=agent.token,
        Device=str(device.uuid),
        SigningKey=signing_key(device.account_id),
    )
    return configuration(
        PROFILE_IDENTIFIER,
        stable_uuid(device.uuid, "script agent profile"),
        "Scripts",
        [preferences, *_kept_going(device)],
        organization=device.account.name,
        description="Lets this Mac fetch the scripts that it is to run.",
        removal_disallowed=True,
    )


def _kept_going(device: Device) -> list[dict[str, Any]]:
    """A payload by which people cannot switch the launch daemon off, where they could and the Mac takes it.

    Source: Apple, "ServiceManagementManagedLoginItems".
    """
    has_switch = bool(device.os_version) and not is_older(device.os_version, FIRST_WITH_SWITCH)
    if not has_switch or device.is_user_enrollment:
        return []
    rule = {"RuleType": "Label", "RuleValue": DOMAIN, "Comment": "Runs the scripts of this Mac's management."}
    uuid = stable_uuid(device.uuid, "script agent background item")
    kind = "com.apple.servicemanagement"
    return [payload(kind, f"{DOMAIN}.background", uuid, "Scripts in the background", Rules=[rule])]


def forget_agent(device: Device, command_uuid: str) -> bool:
    """The profile of that command did not get there: the next job begins anew. False if another one is on its way."""
    count, _ = ScriptAgent.objects.filter(device=device, command_uuid=command_uuid).delete()
    return bool(count)


# --- Calls from a Mac -------------------------------------------------------------------------------------------------
def find_agent(token: str) -> ScriptAgent | None:
    """Whose token it is, with its device; None for nobody's, and for that of a Mac that left or enrolled anew since."""
    if not 0 < len(token) <= MAX_TOKEN_LENGTH:
        return None
    agents = ScriptAgent.objects.filter(token_digest=digest(token)).select_related("device__group")
    agent = agents.defer("token", "device__information", "device__security").first()
    if agent is None or not agent.device.is_enrolled or agent.device.removed_at:
        return None
    enrolled_at = agent.device.enrolled_at
    return None if enrolled_at and agent.created_at < enrolled_at else agent


def note_call(agent: ScriptAgent, *, version: str) -> None:
    """When it was last heard of, to a minute or so, and what it is."""
    now, version = timezone.now(), clean_text(version, 40)
    is_recent = agent.last_seen_at and now - agent.last_seen_at < timedelta(
        seconds=settings.LAST_SEEN_RESOLUTION_SECONDS
    )
    if not is_recent or (version and version != agent.version):
        ScriptAgent.objects.filter(pk=agent.pk).update(last_seen_at=now, version=version or agent.version)
