"""The order of one install: now, or as soon as there is a licence for it."""

from apps_catalog.models import App, AppInstall, AppVersion, PackageKind
from apps_catalog.services.licence_needs import UNREAD, WAITING, Licences
from devices.models import Device, ItemState
from devices.services.plans import Order, Plan
from mdm.channels.models import Channel
from mdm.commands.services import Prepared, recipe


def new_row(app: App, device: Device) -> AppInstall:
    return AppInstall(account_id=app.account_id, app=app, device=device)


def order_install(
    plan: Plan, row: AppInstall, channel: Channel, version: AppVersion | None, licences: Licences
) -> None:
    """Now, or as soon as the device has a licence where the app needs one: its coming marks the device as due."""
    if licences.allow(row.device, row.app):
        plan.orders.append(_install(row, channel, version))
        return
    why = UNREAD if licences.is_unknown(row.app) else WAITING
    if row.awaits_licence and row.state == ItemState.PENDING and row.error == why:
        return
    if row.state == ItemState.REMOVING:
        begin_anew(row)
    row.state, row.error, row.command_uuid, row.retry_at = ItemState.PENDING, why, "", None
    row.awaits_licence = True
    plan.noted.append(row)


def _install(row: AppInstall, channel: Channel, version: AppVersion | None) -> Order:
    """The rest (manifest address, configuration) is filled in at delivery."""
    row.version, row.configuration, row.answered_at = version, row.app.configuration, None
    row.awaits_licence = False
    if row.state == ItemState.REMOVING:
        begin_anew(row)
    return Order(row, channel, _request(row), ItemState.PUSHED)


def begin_anew(row: AppInstall) -> None:
    """What failed or was stopped was the removal."""
    row.attempts, row.retry_at, row.is_stopped = 0, None, False


def _request(row: AppInstall) -> Prepared:
    is_package = row.version is not None and row.version.kind == PackageKind.PKG
    request_type = "InstallEnterpriseApplication" if is_package else "InstallApplication"
    return recipe(request_type, "app", app=row.app_id, version=row.version.pk if row.version else None)
