"""Custom attributes: named texts that profiles and scripts fill in, with a value for the account, a group or a device."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from devices.admin.attributes_forms import EditForm, NewForm
from devices.admin.attributes_import import AttributeImportPage
from devices.admin.attributes_page import page_of, set_in_words, uses_words
from devices.admin.attributes_values import AttributeValuePages, asked_back, consequence, outcome, what_changes
from devices.models import CustomAttribute, Device
from devices.services.attribute_uses import uses_of, with_numbers
from devices.services.attributes import change_attribute, create_attribute, delete_attribute
from devices.services.errors import DeviceError
from mdm.accounts.admin_base import EmptyState, Page, ReadOnlyAdmin, actor_of
from mdm.accounts.admin_forms import TypedConfirmForm, posted
from mdm.accounts.admin_html import badge
from mdm.accounts.permissions import Action

SHOWN = 80  # characters of a default, in the list


@admin.register(CustomAttribute)
class CustomAttributeAdmin(AttributeValuePages, AttributeImportPage, ReadOnlyAdmin):
    list_title = gettext_lazy("Custom attributes")
    add_label = gettext_lazy("New attribute")
    needs = {"add": Action.MANAGE_DEVICES}
    list_display = ("attribute_name", "default", "set_on")
    search_fields = ("name",)
    search_help_text = gettext_lazy("Name")
    ordering = ("name", "pk")
    pages = (
        Page("<int:pk>/edit/", "edit", Action.MANAGE_DEVICES),
        Page("<int:pk>/remove/", "remove", Action.MANAGE_DEVICES),
        *AttributeValuePages.value_pages,
        *AttributeImportPage.import_pages,
    )
    empty_state = EmptyState(
        gettext_lazy("No custom attribute yet"),
        gettext_lazy(
            "A custom attribute is a text with a name, such as room_number, and a value of its own for each device, group or "
            "the whole account. Profiles and scripts name it in double braces, and each device gets its value."
        ),
        gettext_lazy("New attribute"),
        "admin:devices_customattribute_add",
        Action.MANAGE_DEVICES,
        "data_object",
    )

    # --- list ---------------------------------------------------------------------------------------------------------
    def get_queryset(self, request: HttpRequest) -> QuerySet:
        found = super().get_queryset(request)
        shows = {"devices_customattribute_changelist", "devices_customattribute_change"}
        match = request.resolver_match
        return with_numbers(found) if match is None or match.url_name in shows else found

    @display(description=gettext_lazy("Attribute"), ordering="name")
    def attribute_name(self, attribute: CustomAttribute) -> str:
        return format_html("{} {}", attribute.name, badge(_("Secret"), "info") if attribute.is_secret else "")

    @display(description=gettext_lazy("Default"))
    def default(self, attribute: CustomAttribute) -> str:
        if not attribute.is_set:
            return format_html('<span class="pm-soft">{}</span>', _("none"))
        if attribute.is_secret:
            return "•••••"
        text = attribute.plain
        return f"{text[:SHOWN]}…" if len(text) > SHOWN else text

    @display(description=gettext_lazy("Values of their own"))
    def set_on(self, attribute: CustomAttribute) -> str:
        return set_in_words(attribute) or format_html('<span class="pm-soft">{}</span>', _("nobody yet"))

    # --- one attribute ------------------------------------------------------------------------------------------------
    def detail(self, request: HttpRequest, obj: CustomAttribute) -> HttpResponse:
        return self.page(request, "admin/attributes/attribute.html", title=obj.name, **page_of(request, obj))

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        self.demand(request, self.needs["add"])
        form = NewForm(posted(request), account=request.get_account())
        if request.method == "POST" and form.is_valid():
            try:
                attribute = create_attribute(request.get_account(), actor=actor_of(request), **form.cleaned_data)
            except DeviceError as error:
                form.add_error("name", str(error))
            else:
                words = _("%(name)s can be used now.") % {"name": attribute}
                return self.done(request, words, self.url("change", attribute.pk))
        return self.form_page(
            request,
            form,
            title=_("New custom attribute"),
            intro=_("Groups and devices get values of their own on its page."),
            button=_("Add the attribute"),
            back=self.list_url,
        )

    def edit(self, request: HttpRequest, attribute: CustomAttribute) -> HttpResponse:
        back, uses = self.url("change", attribute.pk), uses_of(attribute)
        may_open = self.may(request, Action.CONFIGURE)
        form = EditForm(posted(request), account=request.get_account(), attribute=attribute, may_open=may_open)
        devices = Device.objects.for_account(attribute.account_id)
        if request.method == "POST" and form.is_valid():
            new = form.new_default()
            is_other = new is not None and new != attribute.value
            if not (is_other and asked_back(form, devices, uses)):
                try:
                    change_attribute(
                        attribute, default_value=new, is_secret=form.wants_secret(), actor=actor_of(request)
                    )
                except DeviceError as error:
                    return self.refused(request, str(error), self.list_url)
                words = [_("Saved."), *([outcome(devices, uses)] if is_other else [])]
                return self.done(request, " ".join(words), back)
        if attribute.is_secret and not may_open:
            note = _("That its values are secret, an administrator may change: everybody would see them.")
        else:
            note = _("If it is no longer secret, everybody who sees devices sees its values.")
        return self.form_page(
            request,
            form,
            title=_("Edit %(name)s") % {"name": attribute},
            intro=" ".join([what_changes(uses), *([note] if attribute.is_secret else [])]),
            button=_("Save"),
            back=back,
            crumb=(attribute.name, back),
        )

    def remove(self, request: HttpRequest, attribute: CustomAttribute) -> HttpResponse:
        back, name = self.url("change", attribute.pk), attribute.name
        form = TypedConfirmForm(posted(request), expected=name, account=request.get_account())
        if request.method == "POST" and form.is_valid():
            try:
                delete_attribute(attribute, actor_of(request))
            except DeviceError as error:
                return self.refused(request, str(error), self.list_url)
            words = _("The attribute “%(name)s” and its values were deleted.") % {"name": name}
            return self.done(request, words, self.list_url)
        return self.form_page(
            request,
            form,
            title=_("Delete the attribute “%(name)s”") % {"name": name},
            intro=_what_deleting_does(attribute),
            button=_("Delete the attribute"),
            back=back,
            danger=True,
            crumb=(name, back),
        )


def _what_deleting_does(attribute: CustomAttribute) -> str:
    counted = with_numbers(CustomAttribute.objects.filter(pk=attribute.pk)).get()
    where, uses = set_in_words(counted), uses_of(attribute)
    parts = [
        _("Its values are deleted: those of %(where)s.") % {"where": where}
        if where
        else _("It has no values but its default.")
    ]
    if uses.is_used:
        stays = _("Where they name it, the text stays as it stands: {{%(name)s}}.") % {"name": attribute.name}
        parts += [uses_words(uses), stays, consequence(Device.objects.for_account(attribute.account_id), uses)]
    else:
        parts.append(_("No profile and no script names it."))
    return " ".join(parts)
