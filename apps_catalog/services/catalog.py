"""The catalogue: apps of the App Store, and apps and packages that were uploaded."""

from functools import partial

from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from apps_catalog.models import (
    App,
    AppAssignment,
    AppType,
    AppVersion,
    ManagedConfig,
    PackageKind,
    ProcessingStatus,
)
from apps_catalog.packages import PackageFacts, inspect
from apps_catalog.services import installs
from apps_catalog.services.errors import CatalogError
from apps_catalog.services.storing import delete_files, set_icon, store, store_icon
from devices.models import InstalledApp
from devices.services.due import mark_due
from mdm.accounts.actors import Actor
from mdm.accounts.models import Account
from mdm.common.nudge import nudge_named
from mdm.events.services import emit

# By its name, as the tasks import the services.
LOOKUP_TASK = "apps_catalog.tasks.look_up_store_apps"
DEFAULT_PLATFORM = "iOS"


def add_store_app(
    account: Account, *, store_id: int | None = None, bundle_identifier: str = "", name: str = "", actor: Actor
) -> App:
    """An app of the App Store, named by one of the two; a worker asks the store for the rest.

    Raises CatalogError for an app that is in the catalogue already.
    """
    app = App(
        account=account,
        app_type=AppType.STORE,
        itunes_store_id=store_id,
        bundle_identifier=bundle_identifier,
        name=name or bundle_identifier or f"App {store_id}",
        has_own_name=bool(name),
        platform_support=DEFAULT_PLATFORM,
        processing_status=ProcessingStatus.QUEUED,
    )
    same = Q(bundle_identifier=bundle_identifier) if store_id is None else Q(itunes_store_id=store_id)
    try:
        with transaction.atomic():
            _lock_catalogue(account.pk)
            _require_new(account.pk, same)
            _look_up_soon(app)
            app.save()
            _emit("app.created", app, actor)
    except IntegrityError as error:  # a worker gave another app this store id at the same moment
        raise CatalogError("This app is in the catalogue already.") from error
    return app


def add_package(account: Account, upload: UploadedFile, *, name: str = "", actor: Actor) -> App:
    """An uploaded app or package. Raises BadPackage, CatalogError; then nothing is stored."""
    facts = inspect(upload, upload.name or "")
    same = Q(bundle_identifier=facts.bundle_identifier, platform_support=facts.platform)
    _require_new(account.pk, same)
    app = App(account=account, app_type=AppType.ENTERPRISE, name=name, has_own_name=bool(name))
    storing, drawing = store(account.pk, upload, facts), store_icon(account.pk, facts.icon)
    with storing as version, drawing as icon, transaction.atomic():
        _lock_catalogue(account.pk)
        _require_new(account.pk, same)
        _take(app, facts)
        set_icon(app, icon)
        app.save()
        _save_version(version, app)
        _emit("app.created", app, actor)
    return app


def update_app(
    app: App,
    *,
    name: str | None = None,
    upload: UploadedFile | None = None,
    deploy_to: str = installs.NONE,
    actor: Actor,
) -> App:
    """A new name ("" gives back the app's own), the next version, or both; then it is sent to devices.

    deploy_to: one of `installs.DEPLOY_TO`. Raises BadPackage, CatalogError; then nothing is changed and nothing sent.
    """
    if upload is None:
        with transaction.atomic():
            _rename(app, name, actor)
    else:
        _replace(app, upload, name, actor)
    installs.deploy(app, deploy_to, actor=actor)
    return app


def remove_app(app: App, *, actor: Actor) -> None:
    """Delete an app: no group brings it any more, devices that have it from us lose it, its files go.

    The row and those of its versions stay: by them it is taken off devices that are out of reach now.
    """
    with transaction.atomic():
        if not App.objects.filter(pk=app.pk, removed_at=None).update(removed_at=timezone.now(), lookup_due_at=None):
            return  # somebody else deleted it at the same moment
        mark_due(installs.devices_of_app(app), why=f"Delete the app {app.name}", actor=actor)
        AppAssignment.objects.filter(app=app).delete()
        ManagedConfig.objects.filter(app=app).delete()
        versions = AppVersion.objects.filter(app=app).exclude(file="")
        delete_files(versions.only("file"))
        versions.update(file="")
        removed = App.objects.only("icon").get(pk=app.pk)
        set_icon(removed, "")
        removed.save(update_fields=["icon"])
        _emit("app.removed", app, actor)


def installs_of_app(app: App) -> QuerySet[InstalledApp]:
    """Where devices reported the app, whoever put it there.

    A package itself is in no inventory; one that brings exactly one app is where that app is.
    """
    identifiers = {app.bundle_identifier} - {""}
    newest = AppVersion.objects.filter(app=app).order_by("-pk").only("kind", "details").first()
    if newest is not None and newest.kind == PackageKind.PKG:
        brought = {
            bundle["identifier"] for bundle in newest.details.get("bundles", []) if bundle["path"].endswith(".app")
        }
        identifiers |= brought if len(brought) == 1 else set()
    return InstalledApp.objects.for_account(app.account_id).filter(identifier__in=identifiers, device__removed_at=None)


def _lock_catalogue(account_id: int) -> None:
    """Of two requests that add the same app at the same moment, the second waits here and finds the first."""
    Account.objects.select_for_update(no_key=True).get(pk=account_id)


def _require_new(account_id: int, same: Q) -> None:
    present = App.objects.for_account(account_id).filter(same).order_by("pk").first()
    if present is None:
        return
    if present.app_type == AppType.ENTERPRISE:
        raise CatalogError(
            f"{present.name} is in the catalogue already, as app {present.pk}: upload its next version there."
        )
    raise CatalogError(f"{present.name} is in the catalogue already, as app {present.pk}.")


def _replace(app: App, upload: UploadedFile, name: str | None, actor: Actor) -> None:
    """The next version; it may have another bundle identifier, but not come for another platform."""
    if app.app_type != AppType.ENTERPRISE:
        raise CatalogError("This app comes from the App Store: there is no binary to upload for it.")
    facts = inspect(upload, upload.name or "")
    same = Q(bundle_identifier=facts.bundle_identifier, platform_support=facts.platform)
    newest = AppVersion.objects.filter(app=app).order_by("-pk").only("kind").first()
    if newest is not None and newest.kind != facts.kind:
        raise CatalogError(f"This app was uploaded as {newest.kind}; a {facts.kind} cannot be its next version.")
    storing, drawing = store(app.account_id, upload, facts), store_icon(app.account_id, facts.icon)
    with storing as version, drawing as icon, transaction.atomic():
        _lock_catalogue(app.account_id)
        _require_new(app.account_id, same & ~Q(pk=app.pk))
        _refresh(app)
        if name is not None:
            app.name, app.has_own_name = name, bool(name)
        _take(app, facts)
        set_icon(app, icon)
        app.save()
        _save_version(version, app)
        _emit("app.updated", app, actor)


def _rename(app: App, name: str | None, actor: Actor) -> None:
    """Without a name of their own, uploads are called as their file says, and store apps as the store says."""
    if name is None:
        return
    _refresh(app)
    if (app.name, app.has_own_name) == (name, True) or (not name and not app.has_own_name):
        return
    app.has_own_name = bool(name)
    newest = AppVersion.objects.filter(app=app).order_by("-pk").only("title").first()
    app.name = name or (newest and newest.title) or app.bundle_identifier or f"App {app.itunes_store_id}"
    if not name and app.app_type == AppType.STORE:
        _look_up_soon(app)
    app.save()
    _emit("app.updated", app, actor)


def _refresh(app: App) -> None:
    """As it is now, and locked: a worker may have filled in what the store says. Raises App.DoesNotExist when it is gone."""
    app.refresh_from_db(from_queryset=App.objects.select_for_update(no_key=True).filter(removed_at=None))


def _take(app: App, facts: PackageFacts) -> None:
    app.bundle_identifier = facts.bundle_identifier
    app.version = facts.short_version or facts.version
    app.platform_support = facts.platform
    app.processing_status = ProcessingStatus.PROCESSED
    if not app.has_own_name:
        app.name = facts.title or facts.bundle_identifier


def _save_version(version: AppVersion, app: App) -> None:
    version.app = app
    version.save()


def _look_up_soon(app: App) -> None:
    app.lookup_due_at, app.lookup_attempts, app.lookup_error = timezone.now(), 0, ""
    transaction.on_commit(partial(nudge_named, LOOKUP_TASK))


def _emit(kind: str, app: App, actor: Actor) -> None:
    emit(
        kind,
        account_id=app.account_id,
        actor=actor,
        app_id=app.pk,
        name=app.name,
        app_type=app.app_type,
        bundle_identifier=app.bundle_identifier,
        itunes_store_id=app.itunes_store_id,
        version=app.version,
    )
