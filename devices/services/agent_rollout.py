"""The agent's package on its way to Macs: to those that have its profile and do not run it, or run an old one.

Their management tells them where the package is; whether it was installed shows only when the agent calls. So a Mac that
stays silent is told again, after pauses that double: a day, two, four…
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import DateTimeField, Exists, ExpressionWrapper, F, OuterRef, Q, QuerySet
from django.utils import timezone

from devices.models import AgentPackage, Device, DeviceState, InstallerCertificate, Platform, ScriptAgent
from devices.services.agent_package import IDENTIFIER, TITLE, current_package, current_packages, why_not_ready
from devices.services.agent_program import VERSION
from devices.services.errors import NotPossible
from devices.services.lines import open_lines
from devices.services.script_agent import provide_agent, provide_several
from devices.services.sending import find_channel, plain_target
from mdm.accounts.actors import SYSTEM, Actor
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.services import enqueue_each, recipe
from mdm.commands.states import WAITING
from mdm.events.services import build, emit_many
from mdm.protocol.manifest import install_manifest
from mdm.protocol.request_types import NotSupported, check_target

REQUEST_TYPE = "InstallEnterpriseApplication"
RECIPE = "agent_package"
CHUNK = 200
# An agent replaces itself; one that has not done so for this long gets the package. And the first pause between attempts.
PATIENCE = timedelta(days=1)


def roll_out() -> int:
    """Tell every Mac that is due. Returns how many were told. Several may run at once: each locks its own Macs."""
    return sum(_roll_out(package) for package in _usable_packages())


def send_agent(device: Device, actor: Actor) -> Command:
    """Tell this Mac now, whether or not it runs the agent already; it gets the profile too if it has none.

    Raises NotPossible, NotEnrolled.
    """
    if device.platform != Platform.MACOS:
        raise NotPossible("The agent is for Macs.")
    if reason := why_not_ready(device.account):
        raise NotPossible(reason)
    with transaction.atomic():
        mac = Device.objects.select_for_update(no_key=True).get(pk=device.pk)
        channel = find_channel(mac)
        if reason := _why_unable(mac):
            raise NotPossible(reason)
        provide_agent(mac)
        if _waiting(mac):
            raise NotPossible("The agent is on its way to this Mac already.")
        return _send([channel], actor)[0]


def send_agents(macs: Sequence[Device], actor: Actor, *, wakes: bool = True) -> tuple[list[Command], dict[int, str]]:
    """The same for several devices of one account, locked by the caller: the commands, and device pk → why it got none.

    wakes: off where the caller pushes in a time of its own. Call it in a transaction.
    """
    reason = why_not_ready(macs[0].account) if macs else ""
    faults = {mac.pk: "The agent is for Macs." if mac.platform != Platform.MACOS else reason for mac in macs}
    lines = open_lines(macs)
    waiting = _waiting_macs(macs)
    for mac in macs:
        if not faults[mac.pk]:
            faults[mac.pk] = _why_not_now(mac, is_enrolled="" in lines.get(mac.pk, {}), is_waiting=mac.pk in waiting)
    able = [mac for mac in macs if not faults[mac.pk]]
    if able:
        provide_several(able)
    sent = _send([lines[mac.pk][""] for mac in able], actor, wakes=wakes)
    return sent, {pk: fault for pk, fault in faults.items() if fault}


def _why_not_now(mac: Device, *, is_enrolled: bool, is_waiting: bool) -> str:
    if not is_enrolled:
        return "The device is not enrolled."
    if reason := _why_unable(mac):
        return reason
    return "The agent is on its way to this Mac already." if is_waiting else ""


def _waiting_macs(macs: Sequence[Device]) -> set[int]:
    """Those that were told and have not answered yet."""
    told = Command.objects.filter(
        channel__device=OuterRef("device"), command_uuid=OuterRef("package_command_uuid"), state__in=WAITING
    )
    waiting = ScriptAgent.objects.filter(Exists(told), device__in=macs).exclude(package_command_uuid="")
    return set(waiting.values_list("device_id", flat=True))


def manifest_for(device: Device) -> dict[str, Any]:
    """Where the Mac finds the package of this moment, and the hash to check it by. Raises NotPossible."""
    if reason := why_not_ready(device.account):
        raise NotPossible(reason)
    package = current_package(device.account)
    if package is None:
        raise NotPossible("The agent's package is being built.")
    return install_manifest(
        url=package_url(package),
        bundle_identifier=IDENTIFIER,
        title=TITLE,
        version=package.version,
        chunk_size=package.size,
        chunk_hashes=[package.sha256],
    )


def package_url(package: AgentPackage) -> str:
    """Where Macs fetch it, and people who install it by hand: whoever has the address may."""
    return f"{settings.BASE_URL}/mdm/agent/package/{package.secret_name}.pkg"


def _usable_packages() -> list[AgentPackage]:
    """One for each account whose Macs take it."""
    usable = InstallerCertificate.objects.filter(account=OuterRef("account"), not_after__gt=timezone.now())
    signed = current_packages().exclude(certificate_fingerprint="")
    return list(signed.filter(Exists(usable)).order_by("account"))


def _roll_out(package: AgentPackage) -> int:
    total, after = 0, 0
    while True:
        with transaction.atomic():
            some = _due_macs(package).filter(pk__gt=after).order_by("pk").defer("information", "security")
            macs = list(some.select_for_update(skip_locked=True, of=("self",), no_key=True)[:CHUNK])
            if not macs:
                return total
            # Asked again behind the lock: another worker may have been there between the question and the lock.
            still = set(_due_macs(package).filter(pk__in=[mac.pk for mac in macs]).values_list("pk", flat=True))
            total += _tell([mac for mac in macs if mac.pk in still and not _why_unable(mac)])
        after = macs[-1].pk


def _due_macs(package: AgentPackage) -> QuerySet[Device]:
    """The agents' rows that count are those of the present enrollment."""
    now, since = timezone.now(), package.created_at
    sent_at = F("script_agent__package_sent_at")
    as_long_again = ExpressionWrapper(sent_at + (sent_at - F("script_agent__created_at")), DateTimeField())
    is_old = ~Q(script_agent__version=VERSION) & Q(script_agent__last_seen_at__gt=since + PATIENCE)
    was_not_told = Q(script_agent__package_sent_at=None) | Q(script_agent__package_sent_at__lt=since)
    # As long again has passed as between the first attempt, of this agent or with this package, and the last.
    is_later = Q(next_at__lt=now) | Q(script_agent__package_sent_at__lt=since + (now - since) / 2)
    waiting = Command.objects.filter(
        channel__device=OuterRef("pk"),
        command_uuid=OuterRef("script_agent__package_command_uuid"),
        state__in=WAITING,
    )
    is_told_again = Q(is_later, ~Exists(waiting), script_agent__package_sent_at__lt=now - PATIENCE)
    return Device.objects.annotate(next_at=as_long_again).filter(
        Q(script_agent__version="") | is_old,
        was_not_told | is_told_again,
        account=package.account_id,
        platform=Platform.MACOS,
        state=DeviceState.ENROLLED,
        removed_at=None,
        script_agent__created_at__gte=F("enrolled_at"),
    )


def _tell(macs: list[Device]) -> int:
    """The Macs are locked by the caller."""
    lines = open_lines(macs)
    channels = [lines[mac.pk][""] for mac in macs if "" in lines.get(mac.pk, {})]
    return len(_send(channels, SYSTEM))


def _send(channels: list[Channel], actor: Actor, *, wakes: bool = True) -> list[Command]:
    """The channels come with their devices, which are locked. One line of the log for each: that of the command says no more."""
    orders = [(channel, recipe(REQUEST_TYPE, RECIPE)) for channel in channels]
    commands = enqueue_each(orders, actor=actor, is_logged=False, wakes=wakes)
    by_device = {channel.device_id: command for channel, command in zip(channels, commands, strict=True)}
    now = timezone.now()
    agents = list(ScriptAgent.objects.filter(device__in=by_device).only("pk", "device_id"))
    for agent in agents:
        agent.package_command_uuid, agent.package_sent_at = by_device[agent.device_id].command_uuid, now
    ScriptAgent.objects.bulk_update(agents, ["package_command_uuid", "package_sent_at"])
    emit_many(
        build(
            "agent.sent",
            account_id=channel.account_id,
            actor=actor,
            device=channel.device,
            metadata={"version": VERSION, "command_uuid": by_device[channel.device_id].command_uuid},
        )
        for channel in channels
    )
    return commands


def _waiting(mac: Device) -> bool:
    told = ScriptAgent.objects.filter(device=mac).values_list("package_command_uuid", flat=True).first()
    waiting = Command.objects.filter(channel__device=mac, command_uuid=told, state__in=WAITING)
    return bool(told) and waiting.exists()


def _why_unable(mac: Device) -> str:
    """What the catalogue has against it: the version of macOS."""
    try:
        check_target(REQUEST_TYPE, {"Manifest": {}}, plain_target(mac))
    except NotSupported as error:
        return str(error)
    return ""
