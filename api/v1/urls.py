"""Every route of /api/v1, a line or two each."""

from api.routes import endpoint
from api.v1.account import AccountView
from api.v1.device_groups import DeviceGroupsView
from api.v1.device_inventory import DeviceInventoryView
from api.v1.devices import DevicesView
from api.v1.enrollments import EnrollmentsView
from api.v1.logs import LogsView

COLLECTION = {"get": "list", "post": "create"}
MEMBER = {"get": "retrieve", "patch": "update", "delete": "destroy"}

urlpatterns = [
    endpoint("account", AccountView.as_view({"get": "show", "patch": "update"})),
    endpoint("devices", DevicesView.as_view(COLLECTION)),
    endpoint("devices/<id:pk>", DevicesView.as_view(MEMBER)),
    endpoint("devices/<id:pk>/refresh", DevicesView.as_view({"post": "refresh"})),
    endpoint("devices/<id:pk>/installed_apps", DeviceInventoryView.as_view({"get": "installed_apps"})),
    endpoint("devices/<id:pk>/users", DeviceInventoryView.as_view({"get": "users"})),
    endpoint("device_groups", DeviceGroupsView.as_view(COLLECTION)),
    endpoint("device_groups/<id:pk>", DeviceGroupsView.as_view(MEMBER)),
    endpoint("device_groups/<id:pk>/devices/<id:device_pk>", DeviceGroupsView.as_view({"post": "assign_device"})),
    endpoint("enrollments", EnrollmentsView.as_view(COLLECTION)),
    endpoint("enrollments/<id:pk>", EnrollmentsView.as_view({"get": "retrieve", "delete": "destroy"})),
    endpoint("enrollments/<id:pk>/invitations", EnrollmentsView.as_view({"post": "invite"})),
    endpoint("logs", LogsView.as_view({"get": "list"})),
    endpoint("logs/<str:log_id>", LogsView.as_view({"get": "retrieve"})),
]
