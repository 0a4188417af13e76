"""Apps of the catalogue, their uploads and configurations."""

import hashlib

from django.core.files.base import ContentFile

from apps_catalog.models import App, AppAssignment, AppInstall, AppType, AppVersion, ManagedConfig
from devices.models import AssignmentGroup, Device, ItemState
from mdm.accounts.models import Account
from mdm.common.tokens import new_token
from tests.factories.accounts import make_account
from tests.factories.numbers import number


def make_app(account: Account | None = None, name: str = "", *, store: bool = False, **fields: object) -> App:
    """An in-house app with one upload, or an app of the App Store whose details are known."""
    n = number()
    values: dict[str, object] = {
        "name": name or f"App {n}",
        "app_type": AppType.STORE if store else AppType.ENTERPRISE,
        "bundle_identifier": f"com.example.catalogue{n}",
        "platform_support": "iOS",
        "version": "1.0",
    }
    if store:
        values["itunes_store_id"] = 500_000_000 + n
    app = App.objects.create(account=account or make_account(), **(values | fields))
    if not store:
        make_app_version(app)
    return app


def make_app_version(app: App, *, content: bytes = b"a package", **fields: object) -> AppVersion:
    """An upload of that app; its file is in the storage."""
    values: dict[str, object] = {
        "kind": "pkg" if app.platform_support == "macOS" else "ipa",
        "secret_name": new_token(),
        "file_name": "app.ipa",
        "size": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "bundle_identifier": app.bundle_identifier,
        "title": app.name,
        "version": "100",
        "short_version": app.version,
    }
    version = AppVersion(account=app.account, app=app, **(values | fields))
    version.file.save("", ContentFile(content))
    return version


def make_managed_config(app: App, key: str = "", value: str = "ACME Inc.", value_type: str = "string") -> ManagedConfig:
    return ManagedConfig.objects.create(
        account=app.account, app=app, key=key or f"key{number()}", value=value, value_type=value_type
    )


def make_app_assignment(group: AssignmentGroup, app: App, **fields: object) -> AppAssignment:
    return AppAssignment.objects.create(account=app.account, group=group, app=app, **fields)


def make_app_install(app: App, device: Device, state: str = ItemState.INSTALLED, **fields: object) -> AppInstall:
    return AppInstall.objects.create(account=app.account, app=app, device=device, state=state, **fields)
