"""The line by which a Mac fetches its scripts: MDM cannot run any. Its address and token arrive in a managed profile.

The profile holds preferences of the domain `com.pomona.agent`: a payload of a type that macOS does not know becomes the
managed preferences of the domain of that name. Source: Apple, "Managed Preferences".
"""

from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from devices.models import Device, DeviceState, Platform, RunState, ScriptAgent, ScriptRun
from devices.services.errors import NotPossible
from devices.services.lines import UNANSWERED, open_lines
from mdm.commands.models import Command
from mdm.commands.services import enqueue_each, recipe
from mdm.common.text import clean_text
from mdm.common.tokens import digest, new_token
from mdm.protocol.profile import configuration, payload, stable_uuid

DOMAIN = "com.pomona.agent"
PROFILE_IDENTIFIER = f"{DOMAIN}.profile"
RECIPE = "script_agent"
TOKEN_BYTES = 32
MAX_TOKEN_LENGTH = 200
CHUNK = 200


# --- Getting it there -------------------------------------------------------------------------------------------------
def provide_agents() -> int:
    """Queue the profile for every Mac that has a script to run and no profile yet. Returns for how many.

    It needs another, with another token, when it enrolled anew since, or when the command ended without an answer.
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


def _macs_without() -> QuerySet[Device]:
    waiting = ScriptRun.objects.filter(device=OuterRef("pk"), state=RunState.PENDING)
    lost = Command.objects.filter(
        channel__device=OuterRef("pk"), command_uuid=OuterRef("script_agent__command_uuid"), state__in=UNANSWERED
    )
    return Device.objects.filter(
        Q(script_agent=None) | Q(script_agent__created_at__lt=F("enrolled_at")) | Exists(lost),
        Exists(waiting),
        platform=Platform.MACOS,
        state=DeviceState.ENROLLED,
        removed_at=None,
    )


def _provide(macs: list[Device]) -> int:
    """The Macs are locked by the caller."""
    lines = open_lines(macs)
    channels = [lines[mac.pk][""] for mac in macs if "" in lines.get(mac.pk, {})]
    commands = enqueue_each([(channel, recipe("InstallProfile", RECIPE)) for channel in channels])
    ScriptAgent.objects.filter(device__in=[channel.device_id for channel in channels]).delete()
    ScriptAgent.objects.bulk_create(
        _new_agent(channel.device, command.command_uuid) for channel, command in zip(channels, commands, strict=True)
    )
    return len(channels)


def _new_agent(device: Device, command_uuid: str) -> ScriptAgent:
    token = new_token(TOKEN_BYTES)
    return ScriptAgent(
        account_id=device.account_id,
        device=device,
        token=token,
        token_digest=digest(token),
        command_uuid=command_uuid,
    )


def agent_profile(device: Device) -> bytes:
    """The profile with the address and the token of this Mac, unsigned. Raises NotPossible when it has no agent any more."""
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
    )
    return configuration(
        PROFILE_IDENTIFIER,
        stable_uuid(device.uuid, "script agent profile"),
        "Scripts",
        [preferences],
        organization=device.account.name,
        description="Lets this Mac fetch the scripts that it is to run.",
        removal_disallowed=True,
    )


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
