"""Showing a secret of a device, having the Mac take another one, and attributes that a device has for itself."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from devices.admin.page.attributes import OF_ATTRIBUTE, OwnValueForm
from devices.admin.page.security import title_of
from devices.models import CustomAttribute, Device
from devices.services.attribute_reasons import explain
from devices.services.attributes import set_value
from devices.services.errors import DeviceError, NotPossible
from devices.services.revealing import Secret, reveal, reveal_attribute, rotate
from mdm.accounts.actors import Actor
from mdm.accounts.admin_base import Page, actor_of, row_number
from mdm.accounts.admin_forms import posted
from mdm.accounts.admin_parts import is_part
from mdm.accounts.permissions import Action
from mdm.common.crypto import CannotDecrypt
from mdm.protocol.errors import ProtocolError


class SecretPages:
    """Part of the device admin (which brings `page`, `form_page`, `url`, `done` and `refused`)."""

    secret_pages: tuple[Page, ...] = (
        Page("<int:pk>/secrets/<str:secret>/", "reveal", Action.DESTROY, post_only=True),
        Page("<int:pk>/secrets/<str:secret>/change/", "rotate", Action.DESTROY, post_only=True),
        Page("<int:pk>/attributes/", "own_value", Action.MANAGE_DEVICES),
    )

    def reveal(self, request: HttpRequest, device: Device, secret: str) -> HttpResponse:
        """By htmx a piece of the page, else a page of its own; neither is kept by a browser, and each is a line in the log."""
        asked = _asked(device, secret, actor_of(request))
        back = f"{self.url('change', device.pk)}?tab={asked.tab}"
        value, fault = "", ""
        try:
            value = asked.show()
        except DeviceError as error:
            fault = str(error)
        except (CannotDecrypt, ProtocolError):
            fault = _("It cannot be read any more: the key that it was encrypted with is gone.")
        is_piece = is_part(request)
        if fault and not is_piece:
            return self.refused(request, fault, back)
        return self.page(
            request,
            "admin/devices/secret_piece.html" if is_piece else "admin/devices/secret.html",
            title=asked.title,
            device=device,
            secret=value,
            fault=fault,
            back=back,
            crumb=(str(device), self.url("change", device.pk)),
        )

    def rotate(self, request: HttpRequest, device: Device, secret: str) -> HttpResponse:
        back = f"{self.url('change', device.pk)}?tab=security"
        kind = _secret(secret)
        try:
            rotate(device, kind, actor_of(request))
        except (DeviceError, ProtocolError) as error:
            return self.refused(request, str(error), back)
        sentence = _(
            "%(device)s is told to take another one: %(secret)s. The present one counts until it has answered."
        )
        return self.done(request, sentence % {"device": device, "secret": title_of(kind)}, back)

    def own_value(self, request: HttpRequest, device: Device) -> HttpResponse:
        back = f"{self.url('change', device.pk)}?tab=attributes"
        known = {one.attribute.pk: one for one in explain(device)}
        if not known:
            return self.page(
                request,
                "admin/devices/no_attributes.html",
                title=_("Attributes of %(device)s") % {"device": device},
                back=back,
                crumb=(str(device), self.url("change", device.pk)),
            )
        asked = row_number(request.POST.get("attribute") or request.GET.get("attribute"))
        chosen = known.get(asked) if asked else None
        form = OwnValueForm(
            posted(request),
            account=request.get_account(),
            chosen=chosen.attribute if chosen else None,
            initial={"value": chosen.reasons[0].value} if chosen and chosen.is_own else None,
        )
        if request.method == "POST" and form.is_valid():
            return self._set_own_value(request, device, form, back)
        title = _("Attribute of %(device)s") % {"device": device}
        return self.form_page(request, form, title=title, button=_("Save"), back=back)

    def _set_own_value(self, request: HttpRequest, device: Device, form: OwnValueForm, back: str) -> HttpResponse:
        attribute, value = form.cleaned_data["attribute"], form.cleaned_data["value"]
        try:
            set_value(device, attribute, value, actor_of(request))
        except NotPossible as error:
            return self.refused(request, str(error), back)
        words = {"name": attribute.name, "device": device}
        if value:
            return self.done(request, _("%(device)s has a value of its own for %(name)s.") % words, back)
        return self.done(request, _("%(device)s has no value of its own for %(name)s any more.") % words, back)


@dataclass(frozen=True)
class _Asked:
    """What is called so, how it is shown, and the tab that it belongs to."""

    title: str
    show: Callable[[], str]
    tab: str


def _asked(device: Device, secret: str, actor: Actor) -> _Asked:
    """404 for what there is not, and for an attribute of another account."""
    if not secret.startswith(OF_ATTRIBUTE):
        kind = _secret(secret)
        return _Asked(title_of(kind), partial(reveal, device, kind, actor), "security")
    pk = row_number(secret.removeprefix(OF_ATTRIBUTE))
    attribute = CustomAttribute.objects.for_account(device.account_id).filter(pk=pk, is_secret=True).first()
    if attribute is None:
        raise Http404
    return _Asked(attribute.name, partial(reveal_attribute, device, attribute, actor), "attributes")


def _secret(name: str) -> Secret:
    try:
        return Secret(name)
    except ValueError as error:
        raise Http404 from error
