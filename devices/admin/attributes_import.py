"""The page that takes values of a custom attribute from a CSV file: first what would change, then, when agreed, the change."""

import re

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from devices.admin.attributes_forms import ImportForm
from devices.admin.attributes_values import consequence
from devices.models import BulkOperation, CustomAttribute, Device
from devices.services.attribute_import import MAX_LINES, Plan, apply, keep, plan_of, take
from devices.services.attribute_uses import uses_of
from devices.services.due import MANY
from devices.services.errors import DeviceError
from mdm.accounts.admin_base import Page, actor_of
from mdm.accounts.admin_forms import posted, posted_files
from mdm.accounts.permissions import Action
from mdm.common.words import count_of

_TOKEN = re.compile(r"[A-Za-z0-9_-]{16,100}")


class AttributeImportPage:
    """Part of `CustomAttributeAdmin`."""

    import_pages = (
        Page("<int:pk>/import/", "import_values", Action.MANAGE_DEVICES),
        Page("<int:pk>/import/apply/", "apply_import", Action.MANAGE_DEVICES, post_only=True),
    )

    def import_values(self, request: HttpRequest, attribute: CustomAttribute) -> HttpResponse:
        form = ImportForm(posted(request), posted_files(request), account=request.get_account())
        if request.method == "POST" and form.is_valid():
            try:
                plan = plan_of(attribute, form.cleaned_data["file"].file)
            except DeviceError as error:
                form.add_error("file", str(error))
            else:
                return self._show_plan(request, attribute, plan)
        back = self.url("change", attribute.pk)
        return self.page(
            request,
            "admin/attributes/import.html",
            title=_("Import values of %(name)s") % {"name": attribute},
            crumb=(attribute.name, back),
            attribute=attribute,
            form=form,
            back=back,
            most=MAX_LINES,
        )

    def _show_plan(self, request: HttpRequest, attribute: CustomAttribute, plan: Plan) -> HttpResponse:
        back = self.url("change", attribute.pk)
        # Of more devices than a statement can name, the number of those that should have a value says enough.
        few = Device.objects.filter(pk__in=list(plan.values)) if len(plan.values) <= MANY else None
        return self.page(
            request,
            "admin/attributes/import_plan.html",
            title=_("What the file would change"),
            crumb=(attribute.name, back),
            attribute=attribute,
            plan=plan,
            total=len(plan.values),
            token=keep(plan, attribute) if plan.values else "",
            consequence=consequence(few, uses_of(attribute)) if few is not None else _many_in_words(attribute, plan),
            becomes_operation=len(plan.values) > MANY,
            back=back,
        )

    def apply_import(self, request: HttpRequest, attribute: CustomAttribute) -> HttpResponse:
        back, token = f"{self.url('change', attribute.pk)}?of=devices", request.POST.get("token", "")
        values = take(attribute, token) if _TOKEN.fullmatch(token) else None
        if values is None:
            gone = _("What was read from the file is not kept any more. Please choose the file once more.")
            return self.refused(request, gone, self.url("import_values", attribute.pk))
        try:
            done = apply(attribute, values, actor_of(request))
        except DeviceError as error:
            return self.refused(request, str(error), back)
        if isinstance(done, BulkOperation):
            words = _("The values are being set, one device after the other. This page shows how far it has come.")
            return self.done(request, words, reverse("admin:devices_bulkoperation_change", args=[done.pk]))
        words = ngettext("The value of %(number)s device was set.", "The values of %(number)s devices were set.", done)
        return self.done(request, words % {"number": f"{done:,}"}, back)


def _many_in_words(attribute: CustomAttribute, plan: Plan) -> str:
    names = [f"“{one.name}”" for one in uses_of(attribute).profiles]
    if not names:
        return _("No profile has to be sent again.")
    words = ngettext(
        "%(names)s is sent again to those of %(devices)s that have it and where another value counts then.",
        "%(names)s are sent again to those of %(devices)s that have them and where another value counts then.",
        len(names),
    )
    return words % {"names": ", ".join(names[:3]), "devices": count_of(len(plan.values), "device")}
