"""What can be done with an app on a device's page: taking it under management, updating and removing it."""

from collections.abc import Callable

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from apps_catalog.services import installed
from devices.models import Device, InstalledApp
from devices.services.errors import DeviceError
from mdm.accounts.actors import Actor
from mdm.accounts.admin_base import Page, actor_of, row_number
from mdm.accounts.admin_forms import ConfirmForm
from mdm.accounts.permissions import Action
from mdm.protocol.errors import ProtocolError


class InstalledAppPages:
    """Part of the device admin (which brings `form_page`, `url`, `done` and `refused`). `app` is posted: the row's key."""

    installed_app_pages = (
        Page("<int:pk>/apps/manage/", "manage_app", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/apps/update/", "update_app", Action.MANAGE_DEVICES, post_only=True),
        Page("<int:pk>/apps/remove/", "uninstall_app", Action.DESTROY, post_only=True),
    )

    def manage_app(self, request: HttpRequest, device: Device) -> HttpResponse:
        sentence = _("{} is asked to let {} be managed; a person may have to agree on the device.")
        return self._ask(request, device, installed.request_management, sentence)

    def update_app(self, request: HttpRequest, device: Device) -> HttpResponse:
        return self._ask(request, device, installed.update, _("{} is sent the newest version of {}."))

    def uninstall_app(self, request: HttpRequest, device: Device) -> HttpResponse:
        """The first post asks, the second one (`confirmed`) does it."""
        if "confirmed" in request.POST:
            return self._ask(request, device, installed.uninstall, _("{} is told to remove {}."))
        app = _posted_app(request, device)
        return self.form_page(
            request,
            ConfirmForm(account=request.get_account()),
            title=_("Remove %(name)s") % {"name": app.name or app.identifier},
            intro=_("%(device)s deletes the app with its data. Should a group bring the app, the device gets it again.")
            % {"device": device},
            button=_("Remove the app"),
            back=self._apps_url(device),
            danger=True,
            hidden=[("app", app.pk), ("confirmed", "1")],
        )

    def _ask(
        self, request: HttpRequest, device: Device, act: Callable[[InstalledApp, Actor], object], sentence: str
    ) -> HttpResponse:
        app = _posted_app(request, device)
        try:
            act(app, actor_of(request))
        except (DeviceError, ProtocolError) as error:
            return self.refused(request, str(error), self._apps_url(device))
        return self.done(request, sentence.format(device, app.name or app.identifier), self._apps_url(device))

    def _apps_url(self, device: Device) -> str:
        return f"{self.url('change', device.pk)}?tab=apps"


def _posted_app(request: HttpRequest, device: Device) -> InstalledApp:
    found = device.installed_apps.filter(pk=row_number(request.POST.get("app"))).select_related("device").first()
    if found is None:
        raise Http404
    return found
