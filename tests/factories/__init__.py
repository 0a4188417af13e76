"""make_…(): rows for tests, with sensible values for whatever is not given. Plain functions, no fixtures."""

from tests.factories.accounts import PASSWORD, make_account, make_api_key, make_person_invitation, make_user
from tests.factories.agents import make_agent_package
from tests.factories.apps import (
    make_app,
    make_app_assignment,
    make_app_install,
    make_app_version,
    make_managed_config,
)
from tests.factories.assignments import make_assignment_group
from tests.factories.attributes import make_attribute, make_attribute_value
from tests.factories.channels import make_channel
from tests.factories.commands import make_command
from tests.factories.dep import make_dep_device, make_dep_key, make_dep_server, make_dep_settings
from tests.factories.devices import (
    make_default_group,
    make_device,
    make_device_user,
    make_group,
    make_installed_app,
    make_installed_profile,
)
from tests.factories.enrollment import make_enrollment, make_invitation
from tests.factories.events import make_event
from tests.factories.installer import make_installer_certificate
from tests.factories.licences import make_content_asset, make_content_token, make_licence
from tests.factories.operations import make_operation
from tests.factories.profiles import (
    make_mobileconfig,
    make_payload,
    make_profile,
    make_profile_assignment,
    make_signed,
)
from tests.factories.scripts import make_script, make_script_agent, make_script_job, make_script_run
from tests.factories.webhooks import make_delivery, make_webhook

__all__ = [
    "PASSWORD",
    "make_account",
    "make_agent_package",
    "make_api_key",
    "make_app",
    "make_app_assignment",
    "make_app_install",
    "make_app_version",
    "make_assignment_group",
    "make_attribute",
    "make_attribute_value",
    "make_channel",
    "make_command",
    "make_content_asset",
    "make_content_token",
    "make_default_group",
    "make_delivery",
    "make_dep_device",
    "make_dep_key",
    "make_dep_server",
    "make_dep_settings",
    "make_device",
    "make_device_user",
    "make_enrollment",
    "make_event",
    "make_group",
    "make_installed_app",
    "make_installed_profile",
    "make_installer_certificate",
    "make_invitation",
    "make_licence",
    "make_managed_config",
    "make_mobileconfig",
    "make_operation",
    "make_payload",
    "make_person_invitation",
    "make_profile",
    "make_profile_assignment",
    "make_script",
    "make_script_agent",
    "make_script_job",
    "make_script_run",
    "make_signed",
    "make_user",
    "make_webhook",
]
