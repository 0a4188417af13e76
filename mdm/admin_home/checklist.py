"""The first steps of an account, ticked off by what is there. Gone once all four are done."""

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps_catalog.models import App
from devices.models import DeviceState, Profile
from mdm.accounts.models import Account, Membership, Role
from mdm.accounts.permissions import ROLE_ACTIONS, Action, may
from mdm.admin_home.figures import Counted
from mdm.push.models import PushCertificate

NAMED = 3  # people who are named at the most
ROLES = {
    Action.MANAGE_DEVICES: gettext_lazy("An operator, admin or owner does this."),
    Action.CONFIGURE: gettext_lazy("An admin or owner does this."),
}


@dataclass(frozen=True)
class Step:
    """ask: who can do it, for those who may not."""

    key: str
    icon: str
    title: str
    sentence: str
    button: str
    url: str
    is_done: bool
    is_allowed: bool
    ask: str = ""


@dataclass(frozen=True)
class Checklist:
    steps: list[Step]
    done: int

    @property
    def total(self) -> int:
        return len(self.steps)

    @property
    def next_step(self) -> Step | None:
        return next((step for step in self.steps if not step.is_done), None)

    @property
    def percent(self) -> int:
        return 100 * self.done // len(self.steps)


@dataclass(frozen=True)
class _Way:
    """A step before it is known whether it is done and who is asking."""

    key: str
    icon: str
    title: str
    sentence: str
    button: str
    url_name: str
    needs: Action


def checklist(
    account: Account, role: str | None, certificate: PushCertificate | None, counted: list[Counted]
) -> Checklist | None:
    """None once everything is done. At most three statements."""
    done = {
        "push": certificate is not None and not certificate.is_expired,
        "device": any(one.number for one in counted if one.state != DeviceState.AWAITING),
        "profile": Profile.objects.for_account(account).exists(),
        "app": App.objects.for_account(account).exists(),
    }
    if all(done.values()):
        return None
    ways = _ways()
    missing = {way.needs for way in ways if not may(role, way.needs) and not done[way.key]}
    who = _people(account, missing) if missing else {}
    steps = [
        Step(
            way.key,
            way.icon,
            way.title,
            way.sentence,
            way.button,
            reverse(f"admin:{way.url_name}"),
            done[way.key],
            may(role, way.needs),
            who.get(way.needs, ""),
        )
        for way in ways
    ]
    return Checklist(steps, sum(done.values()))


def _ways() -> list[_Way]:
    return [
        _Way(
            "push",
            "notifications_active",
            _("Get the push certificate"),
            _(
                "Apple gives it to you for free. By it this server wakes your devices, so that they do at once what you ask."
            ),
            _("Set it up"),
            "mdm_push_pushcertificate_changelist",
            Action.CONFIGURE,
        ),
        _Way(
            "device",
            "add_to_home_screen",
            _("Enroll the first device"),
            _("Open a link on it, by QR code or e-mail. Its name, system and apps then appear here by themselves."),
            _("Add device"),
            "devices_device_add",
            Action.MANAGE_DEVICES,
        ),
        _Way(
            "profile",
            "description",
            _("Upload the first profile"),
            _("Profiles carry settings such as Wi-Fi, mail or a passcode rule. Assign one, and devices install it."),
            _("Upload profile"),
            "devices_profile_add",
            Action.MANAGE_DEVICES,
        ),
        _Way(
            "app",
            "apps",
            _("Add the first app"),
            _("From the App Store or a file of your own. Assign it, and devices install and update it by themselves."),
            _("Add app"),
            "apps_catalog_app_add",
            Action.MANAGE_DEVICES,
        ),
    ]


def _people(account: Account, missing: set[Action]) -> dict[Action, str]:
    """Who may do what the reader may not, by name, those with the most rights first. One statement."""
    able = [role for role in Role.values if any(action in ROLE_ACTIONS[role] for action in missing)]
    rows = Membership.objects.for_account(account).filter(role__in=able, user__is_active=True).select_related("user")
    members = sorted(rows.order_by("user__email")[:50], key=lambda one: -len(ROLE_ACTIONS[one.role]))
    found = {}
    for action in missing:
        names = [str(one.user) for one in members if may(one.role, action)][:NAMED]
        found[action] = str(ROLES[action])
        if names:
            found[action] += " " + _("Ask %(names)s.") % {"names": ", ".join(names)}
    return found
