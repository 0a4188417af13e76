"""What we install: the catalogue, what apps are configured with, and where they should be."""

from apps_catalog.models.app import App, AppType, AppVersion, PackageKind, ProcessingStatus
from apps_catalog.models.assignment import AppAssignment, AppInstall
from apps_catalog.models.licences import (
    ContentAsset,
    ContentToken,
    LicenceAssignment,
    LicenceRequest,
    LicenceState,
    RequestKind,
)
from apps_catalog.models.managed_config import ManagedConfig, ValueType
from apps_catalog.models.store_search import SearchState, StoreSearch

__all__ = [
    "App",
    "AppAssignment",
    "AppInstall",
    "AppType",
    "AppVersion",
    "ContentAsset",
    "ContentToken",
    "LicenceAssignment",
    "LicenceRequest",
    "LicenceState",
    "ManagedConfig",
    "PackageKind",
    "ProcessingStatus",
    "RequestKind",
    "SearchState",
    "StoreSearch",
    "ValueType",
]
