"""Setting, clearing and looking at values of a custom attribute."""

from collections.abc import Sequence
from functools import reduce
from operator import or_

from django import forms
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from devices.admin.attributes_forms import EditForm, ValueForm
from devices.admin.attributes_page import owner_of, owner_url, owner_words, owners_in_words, uses_words, value_rows
from devices.models import AttributeValue, CustomAttribute, Device, DeviceGroup
from devices.services.attribute_rows import Owner, column_of
from devices.services.attribute_uses import Uses, sent_again, uses_of
from devices.services.attributes import set_value, set_values
from devices.services.due import MANY, devices_of_owner
from devices.services.errors import DeviceError
from devices.services.viewing import log_viewed
from mdm.accounts.admin_base import Page, actor_of, row_number
from mdm.accounts.admin_forms import ConfirmForm, posted
from mdm.accounts.admin_parts import is_part
from mdm.accounts.permissions import Action
from mdm.common.words import count_of

DEFAULT = "default"  # in place of the key of a value


class AttributeValuePages:
    """Part of `CustomAttributeAdmin`."""

    value_pages = (
        Page("<int:pk>/set/", "set_values", Action.MANAGE_DEVICES),
        Page("<int:pk>/clear/", "clear", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/reveal/", "reveal", Action.CONFIGURE, post_only=True),
    )

    def set_values(self, request: HttpRequest, attribute: CustomAttribute) -> HttpResponse:
        """`?value=` names one that is set, to change it where it is."""
        back, uses = self.url("change", attribute.pk), uses_of(attribute)
        row = _row(attribute, request.GET["value"]) if "value" in request.GET else None
        owner = owner_of(row) if row else None
        first = {"value": "" if row is None or attribute.is_secret else row.plain}
        form = ValueForm(posted(request), initial=first, account=request.get_account(), owner=owner)
        if request.method == "POST" and form.is_valid():
            devices = devices_of([one for some in form.kinds() for one in some])
            if not asked_back(form, devices, uses):
                return self._save_values(request, attribute, form, devices, uses)
        return self.form_page(
            request,
            form,
            title=_("Value for %(whom)s") % {"whom": owner_words(owner)}
            if owner
            else _("Set %(name)s") % {"name": attribute},
            intro=" ".join([_order_in_words(), what_changes(uses)]),
            button=_("Save the value"),
            back=back,
            crumb=(attribute.name, back),
        )

    def _save_values(
        self,
        request: HttpRequest,
        attribute: CustomAttribute,
        form: ValueForm,
        devices: QuerySet[Device],
        uses: Uses,
    ) -> HttpResponse:
        value, actor = form.cleaned_data["value"], actor_of(request)
        back = self.url("change", attribute.pk)
        owners = [one for some in form.kinds() for one in some]
        try:
            with transaction.atomic():
                changed = sum(set_values([(one, attribute, value) for one in some], actor) for some in form.kinds())
        except DeviceError as error:
            return self.refused(request, str(error), back)
        if not changed and not attribute.is_secret:  # of a secret one nobody finds out by guessing
            return self.done(request, _("Nothing has changed: this is the value that was set there."), back)
        whom = owners_in_words(owners)
        words = _("The value is set for %(whom)s.") if value else _("The value of %(whom)s was taken back.")
        return self.done(request, f"{words % {'whom': whom}} {outcome(devices, uses)}", f"{back}{_tab_of(owners[0])}")

    def clear(self, request: HttpRequest, attribute: CustomAttribute) -> HttpResponse:
        """Asks first: what is posted without `confirmed` answers with the question."""
        row = _row(attribute, request.POST.get("value"))
        owner = owner_of(row)
        back = f"{self.url('change', attribute.pk)}{_tab_of(owner)}"
        devices, uses = devices_of([owner]), uses_of(attribute)
        if request.POST.get("confirmed"):
            try:
                set_value(owner, attribute, "", actor_of(request))
            except DeviceError as error:
                return self.refused(request, str(error), back)
            words = _("The value of %(whom)s was taken back.") % {"whom": owner_words(owner)}
            return self.done(request, f"{words} {outcome(devices, uses)}", back)
        next_one = _("Of each device the next value counts then: that of a group, or the default.")
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Take the value of %(whom)s back") % {"whom": owner_words(owner)},
            intro=" ".join([next_one, consequence(devices, uses)]),
            button=_("Take the value back"),
            back=back,
            danger=True,
            hidden=[("value", row.pk), ("confirmed", "yes")],
            crumb=(attribute.name, self.url("change", attribute.pk)),
        )

    def reveal(self, request: HttpRequest, attribute: CustomAttribute) -> HttpResponse:
        """One value of a secret attribute, once; who saw it stands in the log. `value` is its key, or "default"."""
        given = request.POST.get("value", "")
        row = None if given == DEFAULT else _row(attribute, given)
        owner = owner_of(row) if row else None
        value = row.value if row else attribute.value
        if attribute.is_secret and value:
            pk, of = (owner.pk, column_of(owner)) if owner else (attribute.pk, "custom_attribute")
            device = owner if isinstance(owner, Device) else None
            secrets = {f"custom attribute {attribute.name}": [pk]}
            log_viewed(attribute.account_id, secrets, of=of, actor=actor_of(request), device=device)
        return self.page(
            request,
            "admin/attributes/revealed_part.html" if is_part(request) else "admin/attributes/revealed.html",
            title=_("Value for %(whom)s") % {"whom": owner_words(owner)} if owner else _("Default"),
            crumb=(attribute.name, self.url("change", attribute.pk)),
            value=value,
            owner_url=owner_url(owner) if owner else "",
            back=self.url("change", attribute.pk) + (_tab_of(owner) if owner else ""),
        )


def _row(attribute: CustomAttribute, pk: str | None) -> AttributeValue:
    number = row_number(pk)
    row = value_rows(attribute).filter(pk=number).first() if number else None
    if row is None:
        raise Http404
    return row


def _tab_of(owner: Owner) -> str:
    if isinstance(owner, Device):
        return "?of=devices"
    return "?of=device-groups" if isinstance(owner, DeviceGroup) else "?of=assignment-groups"


def _order_in_words() -> str:
    return _(
        "Of a device its own value counts, else that of its device group, else that of the first of its assignment groups "
        "that has one, else the default."
    )


# --- What a change does to devices ------------------------------------------------------------------------------------
def devices_of(owners: Sequence[Owner]) -> QuerySet[Device]:
    """The devices that they stand for."""
    return reduce(or_, (devices_of_owner(one) for one in owners)).filter(removed_at=None)


def what_changes(uses: Uses) -> str:
    """Before it is known for whom."""
    if not uses.is_used:
        return _("No profile and no script names this attribute yet.")
    if not uses.profiles:
        return uses_words(uses)
    sent = _("Devices on which another value counts then get these profiles again.")
    return f"{uses_words(uses)} {sent}"


def consequence(devices: QuerySet[Device], uses: Uses) -> str:
    number = sent_again(devices, uses)
    if not number:
        return _("No profile has to be sent again.")
    words = ngettext(
        "%(names)s is sent again to up to %(devices)s: to those where another value counts then.",
        "%(names)s are sent again to up to %(devices)s: to those where another value counts then.",
        len(uses.profiles),
    )
    return words % {"names": _profile_names(uses), "devices": count_of(number, "device")}


def outcome(devices: QuerySet[Device], uses: Uses) -> str:
    """After it was done."""
    number = sent_again(devices, uses)
    if not number:
        return _("No profile has to be sent again.")
    words = ngettext(
        "%(names)s goes again to those of %(devices)s where another value counts now.",
        "%(names)s go again to those of %(devices)s where another value counts now.",
        len(uses.profiles),
    )
    return words % {"names": _profile_names(uses), "devices": count_of(number, "device")}


def _profile_names(uses: Uses) -> str:
    names = [f"“{one.name}”" for one in uses.profiles]
    return ", ".join(names[:3]) + ("…" if len(names) > 3 else "")


def asked_back(form: ValueForm | EditForm, devices: QuerySet[Device], uses: Uses) -> bool:
    """Whether a profile would go to many devices again, and the person has not said that this is meant."""
    number = sent_again(devices, uses)
    if number <= MANY or form.is_meant:
        return False
    form.ask_anyway()
    form.add_error("anyway", forms.ValidationError(consequence(devices, uses)))
    return True
