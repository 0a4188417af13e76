"""What an action does to many devices and to the people who use them, in one sentence with the exact number."""

from collections.abc import Callable

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from mdm.protocol.request_types import RequestType

CONSEQUENCES: dict[str, Callable[[int], str]] = {
    "refresh": lambda n: ngettext(
        "Ask %(number)s device for everything it can tell about itself: apps, profiles, certificates, security.",
        "Ask %(number)s devices for everything they can tell about themselves: apps, profiles, certificates, security.",
        n,
    ),
    "restart": lambda n: ngettext(
        "Restart %(number)s device. Whoever uses it loses unsaved work.",
        "Restart %(number)s devices. People who use them lose unsaved work.",
        n,
    ),
    "shut_down": lambda n: ngettext(
        "Switch %(number)s device off. Unsaved work is lost, and somebody must press its button to start it again.",
        "Switch %(number)s devices off. Unsaved work is lost, and somebody must press the button of each to start it again.",
        n,
    ),
    "lock": lambda n: ngettext(
        "Lock the screen of %(number)s device at once. A Mac restarts and stays locked until somebody types the PIN.",
        "Lock the screens of %(number)s devices at once. Macs restart and stay locked until somebody types the PIN.",
        n,
    ),
    "clear_passcode": lambda n: ngettext(
        "Take the passcode off %(number)s device: whoever holds it can use it until a new one is set.",
        "Take the passcodes off %(number)s devices: whoever holds one can use it until a new one is set.",
        n,
    ),
    "lost_mode_on": lambda n: ngettext(
        "Lock %(number)s device and show your message; it cannot be used until Lost Mode is switched off.",
        "Lock %(number)s devices and show your message; they cannot be used until Lost Mode is switched off.",
        n,
    ),
    "lost_mode_off": lambda n: ngettext(
        "Switch Lost Mode off on %(number)s device, so that it can be used again.",
        "Switch Lost Mode off on %(number)s devices, so that they can be used again.",
        n,
    ),
    "wipe": lambda n: ngettext(
        "Erase %(number)s device with everything on it. This cannot be undone.",
        "Erase %(number)s devices with everything on them. This cannot be undone.",
        n,
    ),
    "move": lambda n: ngettext(
        "Move %(number)s device to another device group. It gets the profiles, apps and values of that group, and loses "
        "those that only its present group has.",
        "Move %(number)s devices to another device group. They get the profiles, apps and values of that group, and lose "
        "those that only their present group has.",
        n,
    ),
    "join_group": lambda n: ngettext(
        "Add %(number)s device to an assignment group. It gets the apps and profiles of that group, and keeps all others.",
        "Add %(number)s devices to an assignment group. They get the apps and profiles of that group, and keep all others.",
        n,
    ),
    "set_attribute": lambda n: ngettext(
        "Set a custom attribute on %(number)s device. Profiles and configurations that name it are sent again.",
        "Set a custom attribute on %(number)s devices. Profiles and configurations that name it are sent again.",
        n,
    ),
    "send_agent": lambda n: ngettext(
        "Tell %(number)s device to install the script agent, if it is a Mac.",
        "Tell the Macs among %(number)s devices to install the script agent.",
        n,
    ),
    "run_script": lambda n: ngettext(
        "Run a script on %(number)s device, if it is an enrolled Mac.",
        "Run a script on the enrolled Macs among %(number)s devices.",
        n,
    ),
}


def consequence(key: str, number: int) -> str:
    return CONSEQUENCES[key](number) % {"number": f"{number:,}"}


def consequence_of(request_type: RequestType, number: int) -> str:
    """Of any command: what it does in the catalogue's words, and to how many."""
    to = ngettext("Sent to %(number)s device.", "Sent to %(number)s devices.", number) % {"number": f"{number:,}"}
    return f"{_(request_type.summary)} {to}"


def button(title: str, number: int) -> str:
    """ "Restart 500 devices" is no sentence in every language: the action, and to how many."""
    words = ngettext("%(title)s: %(number)s device", "%(title)s: %(number)s devices", number)
    return words % {"title": title.rstrip("…"), "number": f"{number:,}"}
