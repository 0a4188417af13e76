"""What can be done with an app that a device reported: taking it under management, updating and removing it."""

from django.db import transaction

from apps_catalog.models import App
from apps_catalog.services import installs
from devices.models import Device, InstalledApp
from devices.services.errors import NotPossible
from devices.services.sending import find_channel, send
from mdm.accounts.actors import Actor
from mdm.commands.models import Command
from mdm.protocol.request_types.apps import install_application, remove_application


def request_management(installed: InstalledApp, actor: Actor) -> Command:
    """Queue the take-over of an app that the user installed; the device may ask the user.

    Raises NotEnrolled, NotSupported, and NotPossible for an app that is managed already.
    Source: Apple, "Install Application Command", ChangeManagementState.
    """
    if installed.is_managed:
        raise NotPossible("This app is managed already.")
    request = install_application(identifier=_identifier(installed), take_management=True)
    return send(installed.device, request, actor=actor)


def update(installed: InstalledApp, actor: Actor) -> None:
    """Queue the newest version: as the catalogue has it, else what the App Store has under its bundle identifier.

    Raises NotEnrolled, NotSupported, and NotPossible for an app that is not managed or not made for the device.
    """
    identifier = _managed(installed, "updated")
    device = installed.device
    find_channel(device)
    app = _in_catalogue(device, identifier)
    if app is None:
        # Without the second, a Mac would no longer count it among its managed apps.
        send(device, install_application(identifier=identifier, install_as_managed=device.is_mac), actor=actor)
        return
    with transaction.atomic():
        if not installs.install(app, Device.objects.filter(pk=device.pk), actor=actor):
            raise NotPossible("The version of this app in the catalogue cannot be installed on this device.")


def uninstall(installed: InstalledApp, actor: Actor) -> Command:
    """Queue RemoveApplication: the app goes with its data.

    Raises NotEnrolled, NotSupported, and NotPossible for an app that is not managed.
    """
    return send(installed.device, remove_application(_managed(installed, "removed")), actor=actor)


def push_assigned_apps(device: Device, actor: Actor) -> int:
    """Send the device those of its assigned apps that it has not. Returns how many. Raises NotEnrolled."""
    find_channel(device)
    return installs.push_apps(Device.objects.filter(pk=device.pk), actor=actor)


def _managed(installed: InstalledApp, what: str) -> str:
    if not installed.is_managed:
        raise NotPossible(f"Only a managed app can be {what}; request management of this one first.")
    return _identifier(installed)


def _identifier(installed: InstalledApp) -> str:
    if not installed.identifier:
        raise NotPossible("The device told no bundle identifier of this app, so nothing can be asked about it.")
    return installed.identifier


def _in_catalogue(device: Device, identifier: str) -> App | None:
    """One for the device's platform before one whose platform is not known."""
    apps = App.objects.for_account(device.account_id).filter(
        bundle_identifier=identifier, platform_support__in=(device.platform, "")
    )
    return apps.order_by("-platform_support", "pk").first()
