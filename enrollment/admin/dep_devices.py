"""The devices that Apple lists: which server, whether they have its enrollment settings, whether they enrolled."""

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import display

from devices.models import DeviceState
from enrollment.admin.dep_standing import assign_badge
from enrollment.models import AssignState, DepDevice, DepServer
from enrollment.services.dep_settings import assign_again, settings_of
from mdm.accounts.admin_base import EmptyState, EndlessPaginator, Page, ReadOnlyAdmin, actor_of, row_number
from mdm.accounts.admin_html import badge, link, time_tag, two_lines
from mdm.accounts.permissions import Action

NO_SETTINGS = "none"


class ServerFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("Server"), "server"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        account = request.get_account()
        servers = DepServer.objects.for_account(account).only("name").order_by("name", "pk") if account else ()
        return [(str(server.pk), server.name) for server in servers]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        return queryset.filter(server_id=row_number(self.value())) if self.value() else queryset


class AssignmentFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("Settings"), "assignment"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [(value or NO_SETTINGS, words) for value, words in AssignState.choices]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if not self.value():
            return queryset
        return queryset.filter(assign_state="" if self.value() == NO_SETTINGS else self.value())


class EnrolledFilter(admin.SimpleListFilter):
    title, parameter_name = gettext_lazy("Enrolled"), "enrolled"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        is_enrolled = Q(device__state=DeviceState.ENROLLED, device__removed_at=None)
        match self.value():
            case "yes":
                return queryset.filter(is_enrolled)
            case "no":
                return queryset.filter(~is_enrolled | Q(device=None))
        return queryset


@admin.register(DepDevice)
class DepDeviceAdmin(ReadOnlyAdmin):
    list_title = gettext_lazy("Devices that Apple lists")
    list_display = ("listed", "state", "assignment", "at_apple", "assigned_on", "of_server")
    list_select_related = ("server", "device")
    list_filter = (ServerFilter, AssignmentFilter, EnrolledFilter)
    search_fields = ("serial_number", "model", "description", "asset_tag")
    search_help_text = gettext_lazy("Serial number, model or asset tag")
    ordering = ("-pk",)
    paginator = EndlessPaginator
    pages = (Page("<int:pk>/assign-again/", "assign_again", Action.MANAGE_DEVICES, post_only=True),)
    empty_state = EmptyState(
        gettext_lazy("Apple lists no device yet"),
        gettext_lazy(
            "Devices appear once a DEP server is connected and devices are assigned to it in Apple Business "
            "or School Manager."
        ),
        gettext_lazy("Add a DEP server"),
        "admin:enrollment_depserver_add",
        Action.CONFIGURE,
        "devices",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet:
        secrets = [f"server__{name}" for name in ("consumer_secret", "access_token", "access_secret")]
        facts = [f"device__{name}" for name in ("information", "security", "location")]
        return super().get_queryset(request).filter(server__removed_at=None).defer(*secrets, *facts)

    @display(description=gettext_lazy("Device"), ordering="serial_number")
    def listed(self, row: DepDevice) -> str:
        return two_lines(row.serial_number, row.description or row.model)

    @display(description=gettext_lazy("Here"))
    def state(self, row: DepDevice) -> str:
        if row.device is None or row.device.removed_at:
            return badge(_("Not a device here"))
        return badge(row.device.get_state_display(), row.device.state)

    @display(description=gettext_lazy("Settings"), ordering="assign_state")
    def assignment(self, row: DepDevice) -> str:
        return (
            two_lines(assign_badge(row.assign_state), row.assign_error)
            if row.assign_error
            else assign_badge(row.assign_state)
        )

    @display(description=gettext_lazy("At Apple"), ordering="profile_status")
    def at_apple(self, row: DepDevice) -> str:
        return row.profile_status or "—"

    @display(description=gettext_lazy("Listed since"), ordering="device_assigned_date")
    def assigned_on(self, row: DepDevice) -> str:
        return time_tag(row.device_assigned_date)

    @display(description=gettext_lazy("Server"), ordering="server__name")
    def of_server(self, row: DepDevice) -> str:
        return link(reverse("admin:enrollment_depserver_change", args=[row.server_id]), row.server)

    def detail(self, request: HttpRequest, obj: DepDevice) -> HttpResponse:
        settings = settings_of(obj.server)
        return self.page(
            request,
            "admin/dep/device.html",
            title=obj.serial_number,
            listed=obj,
            settings=settings,
            assign_html=assign_badge(obj.assign_state),
            here=obj.device if obj.device and not obj.device.removed_at else None,
        )

    def assign_again(self, request: HttpRequest, row: DepDevice) -> HttpResponse:
        back, settings = self.url("change", row.pk), settings_of(row.server)
        if settings is None:
            return self.refused(request, _("The server has no enrollment settings yet."), back)
        assign_again(settings, actor_of(request), devices=[row])
        return self.done(request, _("Apple is asked again for %(row)s.") % {"row": row}, back)
