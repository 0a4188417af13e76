"""Every route of /api/v1, a line or two each."""

from django.urls import URLPattern

from api.routes import endpoint
from api.v1.account import AccountView
from api.v1.apps import AppsView
from api.v1.assigned import AssignedView
from api.v1.assignment_group_members import AppGroupMembersView, AssignmentGroupMembersView
from api.v1.assignment_groups import AppGroupsView, AssignmentGroupsView
from api.v1.attribute_values import (
    AppGroupValuesView,
    AssignmentGroupValuesView,
    AttributeOfDevicesView,
    DeviceGroupValuesView,
    DeviceValuesView,
)
from api.v1.custom_attributes import CustomAttributesView
from api.v1.custom_configuration_profiles import CustomConfigurationProfilesView
from api.v1.dep_servers import DepServersView
from api.v1.device_actions import DeviceActionsView
from api.v1.device_groups import DeviceGroupsView
from api.v1.device_inventory import DeviceInventoryView
from api.v1.device_passwords import DevicePasswordsView
from api.v1.device_profiles import DeviceProfilesView
from api.v1.device_switches import DeviceSwitchesByNameView, DeviceSwitchesView
from api.v1.devices import DevicesView
from api.v1.enrollments import EnrollmentsView
from api.v1.installed_apps import DeviceAppsView, InstalledAppsView
from api.v1.licences import AppLicencesView
from api.v1.logs import LogExportView, LogsView
from api.v1.lost_mode import LostModeView
from api.v1.managed_app_configs import ManagedAppConfigsView
from api.v1.operations import OperationsView
from api.v1.profile_status import ProfilePreviewView, ProfileStatusView
from api.v1.profiles import ProfilesView
from api.v1.push_certificate import PushCertificateView, PushRequestView
from api.v1.script_jobs import ScriptJobsView
from api.v1.scripts import ScriptsView
from api.v1.totals import AppGroupTotalsView, AppTotalsView, AssignmentGroupTotalsView
from api.v1.webhook_deliveries import WebhookDeliveriesView
from api.v1.webhooks import WebhooksView
from api.views import AnyType

COLLECTION = {"get": "list", "post": "create"}
MEMBER = {"get": "retrieve", "patch": "update", "delete": "destroy"}
ATTRIBUTE_VALUES = {"get": "list", "put": "update_several"}
ATTRIBUTE_VALUE = {"get": "retrieve", "put": "update"}
DEVICE_ACTIONS = (
    "refresh",
    "restart",
    "shutdown",
    "lock",
    "clear_passcode",
    "clear_restrictions_password",
    "wipe",
    "update_os",
    "unenroll",
    "set_time_zone",
)
DEVICE_PASSWORDS = (
    "clear_firmware_password",
    "rotate_firmware_password",
    "clear_recovery_lock_password",
    "rotate_recovery_lock_password",
    "rotate_filevault_key",
    "rotate_filevault_recovery_key",
    "set_admin_password",
    "rotate_admin_password",
)
DEVICE_SWITCHES = ("remote_desktop", "bluetooth")
PROFILE_DEVICE = {"post": "assign_device", "delete": "unassign_device"}
PROFILE_DEVICE_GROUP = {"post": "assign_device_group", "delete": "unassign_device_group"}
ASSIGNED = {
    "app": "apps/<id:app_id>",
    "profile": "profiles/<id:profile_id>",
    "device": "devices/<id:device_id>",
    "device_group": "device_groups/<id:device_group_id>",
}


def assignment_group_routes(
    name: str,
    groups: type[AssignmentGroupsView],
    members: type[AssignmentGroupMembersView],
    totals: type[AssignmentGroupTotalsView],
) -> list[URLPattern]:
    """The same under either of its two names."""
    return [
        endpoint(name, groups.as_view(COLLECTION)),
        endpoint(f"{name}/<id:pk>", groups.as_view(MEMBER | {"put": "replace"})),
        endpoint(f"{name}/<id:pk>/clone", groups.as_view({"post": "clone"})),
        endpoint(f"{name}/<id:pk>/push_apps", groups.as_view({"post": "push_apps"})),
        endpoint(f"{name}/<id:pk>/update_apps", groups.as_view({"post": "update_apps"})),
        endpoint(f"{name}/<id:pk>/sync_profiles", groups.as_view({"post": "sync_profiles"})),
        endpoint(f"{name}/<id:pk>/totals", totals.as_view({"get": "totals"})),
        *(
            endpoint(f"{name}/<id:pk>/{path}", members.as_view({"post": f"assign_{one}", "delete": f"unassign_{one}"}))
            for one, path in ASSIGNED.items()
        ),
    ]


urlpatterns = [
    endpoint("account", AccountView.as_view({"get": "show", "patch": "update"})),
    endpoint("apps", AppsView.as_view(COLLECTION)),
    endpoint("apps/<id:pk>", AppsView.as_view(MEMBER)),
    endpoint("apps/<id:pk>/installs", AppsView.as_view({"get": "installs"})),
    endpoint("apps/<id:pk>/licences", AppLicencesView.as_view({"get": "licences"})),
    endpoint("apps/<id:pk>/totals", AppTotalsView.as_view({"get": "totals"})),
    endpoint("apps/<id:pk>/devices", AppTotalsView.as_view({"get": "devices"})),
    endpoint("apps/<id:pk>/managed_configs", ManagedAppConfigsView.as_view(COLLECTION)),
    endpoint("apps/<id:pk>/managed_configs/push", ManagedAppConfigsView.as_view({"post": "push"})),
    endpoint("apps/<id:pk>/managed_configs/<id:config_id>", ManagedAppConfigsView.as_view({"delete": "destroy"})),
    endpoint("custom_configuration_profiles", CustomConfigurationProfilesView.as_view(COLLECTION)),
    endpoint("custom_configuration_profiles/<id:pk>", CustomConfigurationProfilesView.as_view(MEMBER)),
    endpoint(
        "custom_configuration_profiles/<id:pk>/download",
        CustomConfigurationProfilesView.as_view({"get": "download"}, content_negotiation_class=AnyType),
    ),
    endpoint("custom_configuration_profiles/<id:pk>/preview", ProfilePreviewView.as_view({"get": "preview"})),
    endpoint(
        "custom_configuration_profiles/<id:pk>/device_groups/<id:device_group_id>",
        CustomConfigurationProfilesView.as_view(PROFILE_DEVICE_GROUP),
    ),
    endpoint(
        "custom_configuration_profiles/<id:pk>/devices/<id:device_id>",
        CustomConfigurationProfilesView.as_view(PROFILE_DEVICE),
    ),
    endpoint("devices", DevicesView.as_view(COLLECTION)),
    endpoint("devices/<id:pk>", DevicesView.as_view(MEMBER)),
    endpoint("devices/<id:pk>/installed_apps", DeviceInventoryView.as_view({"get": "installed_apps"})),
    endpoint("devices/<id:pk>/assigned", AssignedView.as_view({"get": "list"})),
    *(
        endpoint(f"devices/<id:pk>/assigned/{ASSIGNED[one]}/{way}", AssignedView.as_view({"post": f"{way}_{one}"}))
        for one in ("profile", "app")
        for way in ("retry", "stop")
    ),
    endpoint("devices/<id:pk>/profiles", DeviceProfilesView.as_view({"get": "list"})),
    endpoint("devices/<id:pk>/users", DeviceInventoryView.as_view({"get": "users"})),
    endpoint("devices/<id:pk>/users/<id:user_id>", DeviceInventoryView.as_view({"delete": "delete_user"})),
    endpoint("devices/<id:pk>/push_apps", DeviceAppsView.as_view({"post": "push"})),
    endpoint("installed_apps/<id:pk>", InstalledAppsView.as_view({"get": "retrieve", "delete": "destroy"})),
    endpoint("installed_apps/<id:pk>/request_management", InstalledAppsView.as_view({"post": "request_management"})),
    endpoint("installed_apps/<id:pk>/update", InstalledAppsView.as_view({"post": "update"})),
    *(endpoint(f"devices/<id:pk>/{name}", DeviceActionsView.as_view({"post": name})) for name in DEVICE_ACTIONS),
    *(endpoint(f"devices/<id:pk>/{name}", DevicePasswordsView.as_view({"post": name})) for name in DEVICE_PASSWORDS),
    *(
        endpoint(
            f"devices/<id:pk>/{name}",
            DeviceSwitchesView.as_view({"post": f"enable_{name}", "delete": f"disable_{name}"}),
        )
        for name in DEVICE_SWITCHES
    ),
    *(
        endpoint(f"devices/<id:pk>/{way}_{name}", DeviceSwitchesByNameView.as_view({"post": f"{way}_{name}"}))
        for name in DEVICE_SWITCHES
        for way in ("enable", "disable")
    ),
    endpoint("devices/<id:pk>/lost_mode", LostModeView.as_view({"post": "enable", "delete": "disable"})),
    endpoint("devices/<id:pk>/lost_mode/play_sound", LostModeView.as_view({"post": "play_sound"})),
    endpoint("devices/<id:pk>/lost_mode/update_location", LostModeView.as_view({"post": "update_location"})),
    endpoint("device_groups", DeviceGroupsView.as_view(COLLECTION)),
    endpoint("device_groups/<id:pk>", DeviceGroupsView.as_view(MEMBER)),
    endpoint("device_groups/<id:pk>/clone", DeviceGroupsView.as_view({"post": "clone"})),
    endpoint("device_groups/<id:pk>/devices/<id:device_id>", DeviceGroupsView.as_view({"post": "assign_device"})),
    *assignment_group_routes(
        "assignment_groups", AssignmentGroupsView, AssignmentGroupMembersView, AssignmentGroupTotalsView
    ),
    *assignment_group_routes("app_groups", AppGroupsView, AppGroupMembersView, AppGroupTotalsView),
    endpoint("custom_attributes", CustomAttributesView.as_view(COLLECTION)),
    endpoint("custom_attributes/<str:name>", CustomAttributesView.as_view(MEMBER | {"put": "replace"})),
    endpoint("custom_attribute_values/<str:name>", AttributeOfDevicesView.as_view({"put": "update"})),
    endpoint("devices/<id:pk>/custom_attribute_values", DeviceValuesView.as_view(ATTRIBUTE_VALUES)),
    endpoint("devices/<id:pk>/custom_attribute_values/<str:name>", DeviceValuesView.as_view(ATTRIBUTE_VALUE)),
    endpoint("device_groups/<id:pk>/custom_attribute_values", DeviceGroupValuesView.as_view(ATTRIBUTE_VALUES)),
    endpoint(
        "device_groups/<id:pk>/custom_attribute_values/<str:name>", DeviceGroupValuesView.as_view(ATTRIBUTE_VALUE)
    ),
    endpoint("assignment_groups/<id:pk>/custom_attribute_values", AssignmentGroupValuesView.as_view(ATTRIBUTE_VALUES)),
    endpoint(
        "assignment_groups/<id:pk>/custom_attribute_values/<str:name>",
        AssignmentGroupValuesView.as_view(ATTRIBUTE_VALUE),
    ),
    endpoint("app_groups/<id:pk>/custom_attribute_values", AppGroupValuesView.as_view(ATTRIBUTE_VALUES)),
    endpoint("app_groups/<id:pk>/custom_attribute_values/<str:name>", AppGroupValuesView.as_view(ATTRIBUTE_VALUE)),
    endpoint("enrollments", EnrollmentsView.as_view(COLLECTION)),
    endpoint("enrollments/<id:pk>", EnrollmentsView.as_view({"get": "retrieve", "delete": "destroy"})),
    endpoint("enrollments/<id:pk>/invitations", EnrollmentsView.as_view({"post": "invite"})),
    endpoint("webhooks", WebhooksView.as_view(COLLECTION)),
    endpoint("webhooks/<id:pk>", WebhooksView.as_view(MEMBER)),
    *(
        endpoint(f"webhooks/<id:pk>/{name}", WebhooksView.as_view({"post": name}))
        for name in ("test", "resume", "rotate_secret", "redeliver")
    ),
    endpoint("webhooks/<id:pk>/deliveries", WebhookDeliveriesView.as_view({"get": "list"})),
    endpoint("webhooks/<id:pk>/deliveries/<id:delivery_id>", WebhookDeliveriesView.as_view({"get": "retrieve"})),
    endpoint(
        "webhooks/<id:pk>/deliveries/<id:delivery_id>/redeliver", WebhookDeliveriesView.as_view({"post": "redeliver"})
    ),
    endpoint("dep_servers", DepServersView.as_view({"get": "list"})),
    endpoint("dep_servers/<id:pk>", DepServersView.as_view({"get": "retrieve"})),
    endpoint("dep_servers/<id:pk>/sync", DepServersView.as_view({"post": "sync"})),
    endpoint("dep_servers/<id:pk>/dep_devices", DepServersView.as_view({"get": "list_devices"})),
    endpoint("dep_servers/<id:pk>/dep_devices/<id:dep_device_id>", DepServersView.as_view({"get": "retrieve_device"})),
    endpoint("operations", OperationsView.as_view({"get": "list"})),
    endpoint("operations/<id:pk>", OperationsView.as_view({"get": "retrieve"})),
    endpoint("operations/<id:pk>/cancel", OperationsView.as_view({"post": "cancel"})),
    endpoint("operations/<id:pk>/resume", OperationsView.as_view({"post": "resume"})),
    endpoint("push_certificate", PushCertificateView.as_view({"get": "show", "put": "update"})),
    endpoint("push_certificate/scsr", PushRequestView.as_view({"get": "show"})),
    endpoint("logs", LogsView.as_view({"get": "list"})),
    endpoint("logs/export", LogExportView.as_view({"get": "show"})),
    endpoint("logs/<str:log_id>", LogsView.as_view({"get": "retrieve"})),
    endpoint("scripts", ScriptsView.as_view(COLLECTION)),
    endpoint("scripts/<id:pk>", ScriptsView.as_view(MEMBER)),
    endpoint("script_jobs", ScriptJobsView.as_view(COLLECTION)),
    endpoint("script_jobs/<id:pk>", ScriptJobsView.as_view({"get": "retrieve", "delete": "destroy"})),
    endpoint("profiles", ProfilesView.as_view({"get": "list"})),
    endpoint("profiles/<id:pk>", ProfilesView.as_view({"get": "retrieve"})),
    endpoint("profiles/<id:pk>/totals", ProfileStatusView.as_view({"get": "totals"})),
    endpoint("profiles/<id:pk>/devices", ProfileStatusView.as_view({"get": "devices"})),
    endpoint("profiles/<id:pk>/device_groups/<id:device_group_id>", ProfilesView.as_view(PROFILE_DEVICE_GROUP)),
    endpoint("profiles/<id:pk>/devices/<id:device_id>", ProfilesView.as_view(PROFILE_DEVICE)),
]
