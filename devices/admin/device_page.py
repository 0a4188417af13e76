"""What a device's page shows: one tab at a time, so that opening it stays quick however much there is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q
from django.urls import reverse

from devices.admin.facts import fact_groups
from devices.admin.script_job_page import runs_on
from devices.models import Device, ScriptAgent
from mdm.channels.models import ChannelState
from mdm.channels.words import push_words
from mdm.commands.models import Command
from mdm.commands.states import WAITING, State
from mdm.commands.words import LARGE, error_lines, label_of
from mdm.events.words import details, sentence

NEWEST = 50
MOST = 1000  # rows of one inventory list; a Mac has a few hundred apps


@dataclass(frozen=True)
class Tab:
    """key stands in the address: `?tab=apps`. context gives what its template needs."""

    key: str
    title: str
    template: str
    context: Callable[[Device], dict[str, Any]]


def overview(device: Device) -> dict[str, Any]:
    channel = device.device_channel
    words, tone = push_words(channel) if channel else ("", "")
    users = [one for one in device.channels.all() if one.user_key and one.state == ChannelState.OPEN]
    return {
        "fact_groups": fact_groups(device),
        "push_words": words,
        "push_tone": tone,
        "user_channels": [(one, *push_words(one)) for one in users],
    }


def apps(device: Device) -> dict[str, Any]:
    return {"apps": device.installed_apps.order_by("name", "identifier").defer("details")[:MOST]}


def profiles(device: Device) -> dict[str, Any]:
    return {"profiles": device.installed_profiles.order_by("name", "identifier").defer("details")[:MOST]}


def certificates(device: Device) -> dict[str, Any]:
    return {"certificates": device.installed_certificates.order_by("common_name", "pk")[:MOST]}


def users(device: Device) -> dict[str, Any]:
    return {"users": device.users.order_by("username").defer("details")[:MOST]}


def commands(device: Device) -> dict[str, Any]:
    found = Command.objects.filter(channel__device=device).defer(*LARGE).select_related("channel")
    newest = list(found.order_by("-id")[:NEWEST])
    return {
        "waiting": [_row(one) for one in found.filter(state__in=WAITING).order_by("id")[:NEWEST]],
        "finished": [_row(one) for one in newest if not one.is_waiting],
        "all_url": f"{reverse('admin:mdm_commands_command_changelist')}?device={device.pk}",
    }


def scripts(device: Device) -> dict[str, Any]:
    return {"agent": ScriptAgent.objects.filter(device=device).defer("token").first(), "runs": runs_on(device, NEWEST)}


def log(device: Device) -> dict[str, Any]:
    lines = device.events.order_by("-id")[:NEWEST]
    return {
        "lines": [(line, sentence(line), details(line)) for line in lines],
        "all_url": f"{reverse('admin:mdm_events_event_changelist')}?device={device.pk}",
    }


TABS = (
    Tab("overview", "Overview", "admin/devices/tabs/overview.html", overview),
    Tab("commands", "Commands", "admin/devices/tabs/commands.html", commands),
    Tab("apps", "Apps", "admin/devices/tabs/apps.html", apps),
    Tab("profiles", "Profiles", "admin/devices/tabs/profiles.html", profiles),
    Tab("certificates", "Certificates", "admin/devices/tabs/certificates.html", certificates),
    Tab("users", "Users", "admin/devices/tabs/users.html", users),
    Tab("scripts", "Scripts", "admin/devices/tabs/scripts.html", scripts),
    Tab("log", "Log", "admin/devices/tabs/log.html", log),
)


def tabs_of(device: Device) -> list[Tab]:
    """Without the lists that the platform never fills; a device that never was here has nothing but its log."""
    if device.device_channel is None:
        return [tab for tab in TABS if tab.key == "log"]
    has_users = device.is_mac or device.information.get("IsMultiUser") is True or device.users.exists()
    missing = {key for key, is_there in (("users", has_users), ("scripts", device.is_mac)) if not is_there}
    return [tab for tab in TABS if tab.key not in missing]


def waiting_mark(device: Device) -> dict[str, Any]:
    """What the page watches while commands wait: `mark` changes when there is something new to show."""
    counted = Command.objects.filter(channel__device=device).aggregate(
        waiting=Count("pk", filter=Q(state__in=WAITING)),
        sent=Count("pk", filter=Q(state=State.SENT)),
        total=Count("pk"),
    )
    channel = device.device_channel
    moments = (
        device.information_at,
        device.security_at,
        device.state,
        bool(channel and channel.awaiting_configuration),
    )
    mark = "/".join(str(part) for part in (*counted.values(), *moments))
    return {"mark": mark, "is_over": not counted["waiting"], "waiting": counted["waiting"]}


def _row(command: Command) -> dict[str, Any]:
    errors = error_lines(command)
    return {"command": command, "label": label_of(command), "error": errors[0]["text"] if errors else ""}
