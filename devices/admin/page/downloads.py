"""A device's answer as a file."""

from django.http import Http404, HttpRequest, HttpResponse
from django.utils.http import content_disposition_header

from devices.admin.page.answers import download
from devices.models import Device
from mdm.accounts.admin_base import Page
from mdm.accounts.permissions import Action

FIRST = "DeviceInformation"


class AnswerPages:
    """Part of the device admin. `?of=SecurityInfo&as=plist`; without them the device information as JSON."""

    answer_pages: tuple[Page, ...] = (Page("<int:pk>/answers/", "answers", Action.VIEW),)

    def answers(self, request: HttpRequest, device: Device) -> HttpResponse:
        try:
            content, content_type, name = download(device, request.GET.get("of", FIRST), request.GET.get("as", "json"))
        except KeyError as error:
            raise Http404 from error
        disposition = content_disposition_header(as_attachment=True, filename=name)
        headers = {"Content-Disposition": disposition, "Cache-Control": "no-store"}
        return HttpResponse(content, content_type=content_type, headers=headers)
