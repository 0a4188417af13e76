"""The versions of a profile: what is in one, what differs between two, and going back to an older one."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from apps_catalog.admin.payload_words import payload_word
from apps_catalog.admin.profile_forms import goes_to
from apps_catalog.admin.profile_page import add_words, enrolled_devices, version_of
from devices.models import Profile, ProfileVersion
from devices.services.errors import DeviceError
from devices.services.profile_diff import Change, Line, PayloadChange, compare
from devices.services.profile_previews import unknown_in
from devices.services.profile_values import payloads_of
from devices.services.profiles import change_profile
from mdm.accounts.admin_base import Page, actor_of, row_number
from mdm.accounts.admin_forms import ConfirmForm
from mdm.accounts.permissions import Action
from mdm.common.words import count_of
from mdm.protocol.errors import ProtocolError

PAGE = 50
CONTEXT = 3  # lines that are the same, around those that differ


@dataclass(frozen=True)
class Hunk:
    """Lines that stand together. skipped: how many that are the same come before them and are not shown."""

    skipped: int
    lines: Sequence[Line]


@dataclass(frozen=True)
class ShownChange:
    """One payload of the comparison, with its kind in words."""

    words: str
    badge: tuple[str, str]
    payload: PayloadChange
    hunks: Sequence[Hunk]


class ProfileVersionPages:
    """Part of `ProfileAdmin`. Profiles hold passwords: what is in them is for those who may change them, and masked."""

    version_pages = (
        Page("<int:pk>/versions/", "versions", Action.VIEW),
        Page("<int:pk>/content/", "content", Action.MANAGE_DEVICES),
        Page("<int:pk>/compare/", "compare", Action.MANAGE_DEVICES),
        Page("<int:pk>/versions/<int:number>/restore/", "restore", Action.MANAGE_DEVICES),
    )

    def versions(self, request: HttpRequest, profile: Profile) -> HttpResponse:
        """`?before=` begins below that version."""
        before = row_number(request.GET.get("before"))
        rows = profile.versions.defer("content").order_by("-number")
        found = list((rows.filter(number__lt=before) if before else rows)[: PAGE + 1])
        return self.page(
            request,
            "admin/profiles/versions.html",
            title=_("Versions of %(name)s") % {"name": profile.name},
            crumb=self._crumb(profile),
            profile=profile,
            versions=found[:PAGE],
            more=found[PAGE - 1].number if len(found) > PAGE else None,
            is_first=not before,
        )

    def content(self, request: HttpRequest, profile: Profile) -> HttpResponse:
        """`?version=` which; the one in force without it."""
        version = self._asked_version(request, profile, "version", profile.version)
        try:
            payloads, fault = payloads_of(version.content), ""
        except ProtocolError as error:
            payloads, fault = [], str(error)
        return self.page(
            request,
            "admin/profiles/content.html",
            title=_("What is in version %(number)s") % {"number": version.number},
            crumb=self._crumb(profile),
            profile=profile,
            version=version,
            contents=add_words(payloads),
            fault=fault,
        )

    def compare(self, request: HttpRequest, profile: Profile) -> HttpResponse:
        """`?from=` and `?to=`: without them, the version in force and the one before it."""
        newer = self._asked_version(request, profile, "to", profile.version)
        older = self._asked_version(request, profile, "from", max(newer.number - 1, 1))
        try:
            changes, fault = [_shown(one) for one in compare(older.content, newer.content)], ""
        except ProtocolError as error:
            changes, fault = [], str(error)
        names = {"older": older.number, "newer": newer.number}
        return self.page(
            request,
            "admin/profiles/compare.html",
            title=_("From version %(older)s to %(newer)s") % names,
            crumb=self._crumb(profile),
            profile=profile,
            older=older,
            newer=newer,
            changes=changes,
            fault=fault,
            is_same_file=older.digest == newer.digest,
            numbers=profile.versions.order_by("-number").values_list("number", flat=True)[:500],
        )

    def restore(self, request: HttpRequest, profile: Profile, number: int) -> HttpResponse:
        """The file of an older version becomes the newest one."""
        back = self.url("change", profile.pk)
        version = version_of(profile, number)
        if version is None:
            raise Http404
        count = enrolled_devices(profile)
        if request.method == "POST":
            try:
                changed = change_profile(profile, content=version.content, actor=actor_of(request), restores=number)
            except (ProtocolError, DeviceError) as error:
                return self.refused(request, str(error), back)
            if changed.version == version.number:
                return self.done(request, _("Version %(number)s is in force already.") % {"number": number}, back)
            names = {"number": number, "newest": changed.version, "goes": goes_to(count)}
            return self.done(
                request, _("Version %(number)s is in force again, as version %(newest)s. %(goes)s") % names, back
            )
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Go back to version %(number)s") % {"number": number},
            intro=_restoring(profile, version, count),
            button=_("Go back to it"),
            back=back,
            crumb=self._crumb(profile),
        )

    def _crumb(self, profile: Profile) -> tuple[str, str]:
        return profile.name, self.url("change", profile.pk)

    def _asked_version(self, request: HttpRequest, profile: Profile, name: str, default: int) -> ProfileVersion:
        number = row_number(request.GET.get(name)) if name in request.GET else default
        version = version_of(profile, number) if number and number < 2**31 else None
        if version is None:
            raise Http404
        return version


def _restoring(profile: Profile, version: ProfileVersion, count: int) -> str:
    if version.number == profile.version:
        return _("This version is in force. Nothing would be sent to any device.")
    words = [
        _("Its file becomes the newest version; the versions between stay in the list."),
        _("It is sent to %(devices)s.") % {"devices": count_of(count, "device")}
        if count
        else _("No enrolled device has the profile or is to get it, so nothing is sent."),
    ]
    unknown = unknown_in(version.content, profile.account_id) if profile.attribute_support else []
    if unknown:
        names = ", ".join(f"{{{{{name}}}}}" for name in unknown)
        words.append(_("Nobody fills in %(names)s: devices would get this as it stands.") % {"names": names})
    return " ".join(words)


def _shown(payload: PayloadChange) -> ShownChange:
    words = payload_word(payload.payload_type) if payload.payload_type else _("The profile itself")
    badges = {
        Change.ADDED: (_("Added"), "valid"),
        Change.REMOVED: (_("Removed"), "failed"),
        Change.CHANGED: (_("Changed"), "warning"),
    }
    return ShownChange(words, badges[payload.change], payload, hunks_of(payload.lines))


def hunks_of(lines: Sequence[Line]) -> list[Hunk]:
    """The lines that differ with a few around them; longer stretches of what is the same are left out."""
    near: set[int] = set()
    for number, line in enumerate(lines):
        if line.change != Change.SAME:
            near.update(range(number - CONTEXT, number + CONTEXT + 1))
    found: list[Hunk] = []
    shown: list[Line] = []
    skipped = 0
    for number, line in enumerate(lines):
        if number in near:
            shown.append(line)
            continue
        if shown:
            found.append(Hunk(skipped, shown))
            shown, skipped = [], 0
        skipped += 1
    return [*found, Hunk(skipped, shown)] if shown or skipped else found
