"""Configuration profiles: uploading and changing them, and saying where they should be."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import display

from apps_catalog.admin.payload_words import in_short
from apps_catalog.admin.profile_assigning import ProfileAssigningPages
from apps_catalog.admin.profile_forms import EditForm, UploadForm, goes_to
from apps_catalog.admin.profile_page import (
    add_facts,
    devices_page,
    enrolled_devices,
    following_of,
    page_of,
    tally,
    totals_context,
    version_of,
    what_deleting_does,
)
from apps_catalog.admin.profile_preview import ProfilePreviewPage
from apps_catalog.admin.profile_versions import ProfileVersionPages
from apps_catalog.admin.watching import SECONDS, SECONDS_OF_MANY
from apps_catalog.services.profile_status import MOST
from apps_catalog.services.totals import takes_long
from devices.models import ItemState, Profile, ProfileKind
from devices.services.errors import DeviceError
from devices.services.profile_files import MEDIA_TYPE, file_name
from devices.services.profile_previews import unknown_in, unknown_variables
from devices.services.profiles import assign, change_profile, create_profile, delete_profile
from mdm.accounts.admin_base import EmptyState, Page, ReadOnlyAdmin, actor_of, row_number
from mdm.accounts.admin_forms import ConfirmForm, posted, posted_files
from mdm.accounts.admin_html import time_tag, two_lines
from mdm.accounts.admin_parts import is_part
from mdm.accounts.permissions import Action
from mdm.common.downloads import download
from mdm.common.words import count_of
from mdm.protocol import mobileconfig
from mdm.protocol.errors import ProtocolError

ESCAPES_AT_FIRST = {"user_scope": False, "escape_attributes": True}


@admin.register(Profile)
class ProfileAdmin(ProfileAssigningPages, ProfilePreviewPage, ProfileVersionPages, ReadOnlyAdmin):
    list_title = gettext_lazy("Profiles")
    add_label = gettext_lazy("Upload a profile")
    needs = {"add": Action.MANAGE_DEVICES}
    list_display = ("profile_name", "payloads", "assigned", "reach", "newest", "changed")
    search_fields = ("name", "profile_identifier")
    search_help_text = gettext_lazy("Name or identifier")
    ordering = ("name", "pk")
    list_per_page = 25  # of each, the devices that it is on are counted
    pages = (
        Page("<int:pk>/edit/", "edit", Action.MANAGE_DEVICES),
        Page("<int:pk>/remove/", "remove", Action.MANAGE_DEVICES),
        Page("<int:pk>/devices/", "devices", Action.VIEW),
        Page("<int:pk>/totals/", "totals", Action.VIEW),
        Page("<int:pk>/versions/<int:number>/", "download", Action.MANAGE_DEVICES),
        *ProfileAssigningPages.assigning_pages,
        *ProfilePreviewPage.preview_pages,
        *ProfileVersionPages.version_pages,
    )
    empty_state = EmptyState(
        gettext_lazy("No profile yet"),
        gettext_lazy(
            "A configuration profile carries settings: Wi-Fi, restrictions, certificates and more. Upload a .mobileconfig "
            "file and say which devices should have it; Pomona sends it and follows it."
        ),
        gettext_lazy("Upload a profile"),
        "admin:devices_profile_add",
        Action.MANAGE_DEVICES,
        "description",
    )

    # --- list ---------------------------------------------------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).filter(kind=ProfileKind.CUSTOM)

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        changelist = super().get_changelist_instance(request)
        changelist.result_list = add_facts(changelist.result_list)
        return changelist

    @display(description=gettext_lazy("Profile"), ordering="name")
    def profile_name(self, profile: Profile) -> str:
        return two_lines(profile.name, profile.profile_identifier)

    @display(description=gettext_lazy("Settings in it"))
    def payloads(self, profile: Profile) -> str:
        return in_short(profile.facts.payload_types)

    @display(description=gettext_lazy("Assigned to"))
    def assigned(self, profile: Profile) -> str:
        names, number = profile.facts.group_names, profile.facts.device_count
        more = len(names) - 3
        shown = names[:3]
        if more > 0:
            shown.append(ngettext("%(number)s more group", "%(number)s more groups", more) % {"number": more})
        return ", ".join([*shown, *([count_of(number, "device")] if number else [])]) or _("nobody yet")

    @display(description=gettext_lazy("On devices"))
    def reach(self, profile: Profile) -> str:
        return tally(profile.facts.counts, most=MOST)

    @display(description=gettext_lazy("Version"), ordering="version")
    def newest(self, profile: Profile) -> int:
        return profile.version

    @display(description=gettext_lazy("Changed"), ordering="updated_at")
    def changed(self, profile: Profile) -> str:
        return time_tag(profile.updated_at)

    # --- one profile --------------------------------------------------------------------------------------------------
    def detail(self, request: HttpRequest, obj: Profile) -> HttpResponse:
        shows_content = self.may(request, Action.MANAGE_DEVICES)
        context = {**page_of(obj, shows_content=shows_content), "is_signed_by_us": request.get_account().signs_profiles}
        return self.page(request, "admin/profiles/profile.html", title=obj.name, **context)

    def totals(self, request: HttpRequest, profile: Profile) -> HttpResponse:
        """How far it has come. A profile on very many devices brings this part after its page is there."""
        following = following_of(profile)
        return following.answer_if_unchanged(request) or self.page(
            request,
            "admin/profiles/totals_part.html" if is_part(request) else "admin/profiles/totals.html",
            title=_("On devices"),
            crumb=(profile.name, self.url("change", profile.pk)),
            **totals_context(profile, following, seconds=SECONDS_OF_MANY if takes_long(profile) else SECONDS),
        )

    def devices(self, request: HttpRequest, profile: Profile) -> HttpResponse:
        """Those in one state (`?state=`), a page at a time (`?after=`)."""
        given = request.GET.get("state", "")
        state = ItemState(given) if given in ItemState.values else None
        after = row_number(request.GET.get("after")) or 0
        return self.page(
            request,
            "admin/profiles/devices.html",
            title=_("Devices of the profile"),
            crumb=(profile.name, self.url("change", profile.pk)),
            **devices_page(profile, state, after),
        )

    def download(self, request: HttpRequest, profile: Profile, number: int) -> HttpResponse:
        """The file of a version, byte for byte as it was uploaded."""
        version = version_of(profile, number)
        if version is None:
            raise Http404
        response = download(request, version.content, media_type=MEDIA_TYPE, name=file_name(profile.name))
        response.headers["Cache-Control"] = "private, no-cache"
        return response

    # --- changes ------------------------------------------------------------------------------------------------------
    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self.demand(request, self.needs["add"])
        account = request.get_account()
        form = UploadForm(posted(request), posted_files(request), initial=ESCAPES_AT_FIRST, account=account)
        if request.method == "POST" and form.is_valid():
            try:
                return self._upload(request, form)
            except (ProtocolError, DeviceError) as error:
                form.add_error("file", str(error))
        return self.form_page(
            request,
            form,
            title=_("Upload a profile"),
            intro=_("The file is checked first. Devices that should have the profile get it as soon as they connect."),
            button=_("Upload"),
            back=self.url("changelist"),
        )

    def _upload(self, request: HttpRequest, form: UploadForm) -> HttpResponse:
        """Where variables are unknown nothing is assigned yet: the next page names them and asks."""
        content, actor = form.cleaned_data["file"], actor_of(request)
        groups = form.cleaned_data["device_groups"]
        with transaction.atomic():
            profile = create_profile(
                request.get_account(),
                form.cleaned_data["name"] or _name_in(content),
                content,
                **form.settings(),
                actor=actor,
            )
            is_unclear = bool(groups and unknown_variables(profile))
            for group in () if is_unclear else groups:
                assign(profile, group, actor=actor)
        page = self.url("change", profile.pk)
        if is_unclear:
            address = f"{self.url('assign', profile.pk)}?{urlencode({'group': [one.pk for one in groups]}, doseq=True)}"
            return self.done(
                request, _("The profile was uploaded. It is not assigned yet: please read this first."), address
            )
        sentence = goes_to(enrolled_devices(profile)) if groups else _("Assign it, so that devices get it.")
        return self.done(request, _("The profile was uploaded. %(what_next)s") % {"what_next": sentence}, page)

    def edit(self, request: HttpRequest, profile: Profile) -> HttpResponse:
        back, count = self.url("change", profile.pk), enrolled_devices(profile)
        first = {name: getattr(profile, name) for name in EditForm.base_fields if hasattr(profile, name)}
        form = EditForm(posted(request), posted_files(request), initial=first, account=request.get_account())
        if request.method == "POST" and form.is_valid() and not self._is_asked_back(profile, form, count):
            try:
                return self._save(request, profile, form, count)
            except (ProtocolError, DeviceError) as error:
                form.add_error("file", str(error))
        concerned = count_of(count, "device") if count else _("no enrolled device")
        return self.form_page(
            request,
            form,
            title=_("Edit %(name)s") % {"name": profile.name},
            intro=_(
                "A new file, or a change in how variables are filled in, becomes a new version. It will be sent to "
                "%(devices)s. A new name is not sent to anybody."
            )
            % {"devices": concerned},
            button=_("Save"),
            back=back,
            crumb=(profile.name, back),
        )

    def _save(self, request: HttpRequest, profile: Profile, form: EditForm, count: int) -> HttpResponse:
        before = (profile.version, profile.user_scope)
        given = form.cleaned_data
        changed = change_profile(
            profile, name=given["name"], content=given["file"], **form.settings(), actor=actor_of(request)
        )
        back = self.url("change", profile.pk)
        if (changed.version, changed.user_scope) == before:
            return self.done(request, _("Saved. Nothing has to be sent."), back)
        is_new = changed.version != before[0]
        words = _("Saved as version %(number)s.") % {"number": changed.version} if is_new else _("Saved.")
        return self.done(request, f"{words} {goes_to(count)}", back)

    def _is_asked_back(self, profile: Profile, form: EditForm, count: int) -> bool:
        """Whether devices would get variables that nobody fills in, and the person has not said that this is meant."""
        given = form.cleaned_data
        is_sent = given["file"] is not None or any(
            given[name] != getattr(profile, name) for name in ("attribute_support", "escape_attributes")
        )
        if not (count and is_sent and given["attribute_support"]) or form.is_meant:
            return False
        content = given["file"]
        if content is None:
            content = profile.versions.get(number=profile.version).content
        unknown = unknown_in(content, profile.account_id)
        if not unknown:
            return False
        form.ask_anyway()
        names = ", ".join(f"{{{{{name}}}}}" for name in unknown)
        form.add_error(
            "anyway",
            _(
                "Unknown: %(names)s. %(devices)s would get this as it stands. Add such custom attributes first, or tick "
                "this box; a new file has to be chosen once more."
            )
            % {"names": names, "devices": count_of(count, "device")},
        )
        return True

    def remove(self, request: HttpRequest, profile: Profile) -> HttpResponse:
        back = self.url("change", profile.pk)
        if request.method == "POST":
            name = profile.name
            delete_profile(profile, actor=actor_of(request))
            return self.done(request, _("The profile “%(name)s” was deleted.") % {"name": name}, self.url("changelist"))
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Delete the profile “%(name)s”") % {"name": profile.name},
            intro=what_deleting_does(profile),
            button=_("Delete the profile"),
            back=back,
            danger=True,
            crumb=(profile.name, back),
        )


def _name_in(content: bytes) -> str:
    """What the file calls itself. Raises ProtocolError for a file that is no usable profile."""
    found = mobileconfig.read(content)
    return (found.display_name.strip() or found.identifier)[:255]
