"""make_…(): rows for tests, with sensible values for whatever is not given. Plain functions, no fixtures."""

from tests.factories.accounts import PASSWORD, make_account, make_api_key, make_user
from tests.factories.channels import make_channel
from tests.factories.commands import make_command
from tests.factories.devices import (
    make_default_group,
    make_device,
    make_device_user,
    make_group,
    make_installed_app,
    make_installed_profile,
)
from tests.factories.enrollment import make_enrollment
from tests.factories.events import make_event

__all__ = [
    "PASSWORD",
    "make_account",
    "make_api_key",
    "make_channel",
    "make_command",
    "make_default_group",
    "make_device",
    "make_device_user",
    "make_enrollment",
    "make_event",
    "make_group",
    "make_installed_app",
    "make_installed_profile",
    "make_user",
]
