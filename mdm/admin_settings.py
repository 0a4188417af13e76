"""The look and the sidebar of the admin, for unfold."""

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.translation import gettext_lazy as _


def account_name(request: HttpRequest) -> str:
    """Below the product's name: where one is."""
    account = request.get_account() if request.user.is_authenticated else None
    return account.name if account else ""


def may_view(request: HttpRequest) -> bool:
    """Whoever has no role in any account has no list to open."""
    return request.get_role() is not None


def runs_server(request: HttpRequest) -> bool:
    """Superusers see all accounts, and nobody else knows of that page."""
    return request.user.is_superuser


def _item(
    title: object, icon: str, url_name: str, permission: str = "mdm.admin_settings.may_view"
) -> dict[str, object]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{url_name}"),
        "permission": permission,
    }


UNFOLD = {
    "SITE_TITLE": "Pomona",
    "SITE_HEADER": "Pomona",
    "SITE_SUBHEADER": "mdm.admin_settings.account_name",
    "SITE_URL": None,
    "SITE_ICON": lambda request: static("img/pomona.svg"),
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": lambda request: static("img/pomona.svg")}],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "BORDER_RADIUS": "8px",
    "STYLES": [lambda request: static("css/admin.css"), lambda request: static("css/people.css")],
    "SCRIPTS": [
        lambda request: static("js/admin.js"),
        lambda request: static("js/live.js"),
        lambda request: static("js/scrolling.js"),
    ],
    "ACCOUNT": {"navigation": [{"title": _("Your login"), "link": reverse_lazy("your_login")}]},
    # Leaves in the sun; 600 and darker carry white text at a contrast of 4.5 and more.
    "COLORS": {
        "primary": {
            "50": "oklch(98% .016 150)",
            "100": "oklch(95.6% .036 150)",
            "200": "oklch(91% .07 150)",
            "300": "oklch(84.5% .11 150)",
            "400": "oklch(75% .14 150)",
            "500": "oklch(63.5% .14 150)",
            "600": "oklch(51.5% .12 151)",
            "700": "oklch(44.5% .102 151)",
            "800": "oklch(38% .084 152)",
            "900": "oklch(32.5% .068 152)",
            "950": "oklch(22.5% .05 152)",
        },
        "base": {
            "50": "oklch(98.4% .003 150)",
            "100": "oklch(96.4% .005 150)",
            "200": "oklch(92.4% .007 150)",
            "300": "oklch(86.5% .01 150)",
            "400": "oklch(70.5% .016 152)",
            "500": "oklch(53.5% .018 154)",
            "600": "oklch(44.2% .018 156)",
            "700": "oklch(36.8% .017 158)",
            "800": "oklch(27.4% .014 160)",
            "900": "oklch(21% .012 162)",
            "950": "oklch(14% .01 164)",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            {
                "items": [
                    {"title": _("Home"), "icon": "home", "link": reverse_lazy("admin:index")},
                    {
                        "title": _("All accounts"),
                        "icon": "domain",
                        "link": reverse_lazy("admin:all_accounts"),
                        "permission": "mdm.admin_settings.runs_server",
                    },
                ],
            },
            {
                "title": _("Devices"),
                "items": [
                    _item(_("Devices"), "devices", "devices_device_changelist"),
                    _item(_("Device groups"), "folder", "devices_devicegroup_changelist"),
                    _item(_("Custom attributes"), "data_object", "devices_customattribute_changelist"),
                    _item(_("Profiles"), "description", "devices_profile_changelist"),
                    _item(_("Assignment groups"), "assignment_turned_in", "devices_assignmentgroup_changelist"),
                    _item(_("Apps"), "apps", "apps_catalog_app_changelist"),
                    _item(_("Apps and Books"), "shopping_bag", "apps_catalog_contenttoken_changelist"),
                    _item(_("Scripts"), "code", "devices_script_changelist"),
                    _item(_("Script jobs"), "play_circle", "devices_scriptjob_changelist"),
                    _item(_("Enrollments"), "qr_code_2", "enrollment_enrollment_changelist"),
                ],
            },
            {
                "title": _("Activity"),
                "items": [
                    _item(_("Commands"), "terminal", "mdm_commands_command_changelist"),
                    _item(_("Operations"), "sync", "devices_bulkoperation_changelist"),
                    _item(_("Log"), "receipt_long", "mdm_events_event_changelist"),
                ],
            },
            {
                "title": _("Settings"),
                "items": [
                    _item(_("Push certificate"), "notifications_active", "mdm_push_pushcertificate_changelist"),
                    _item(_("Script agent"), "smart_toy", "devices_installercertificate_changelist"),
                    _item(_("DEP servers"), "cloud_sync", "enrollment_depserver_changelist"),
                    _item(_("Webhooks"), "webhook", "mdm_events_webhook_changelist"),
                    _item(_("API keys"), "key", "mdm_accounts_apikey_changelist"),
                    _item(_("People"), "group", "mdm_accounts_membership_changelist"),
                    _item(_("Identity certificates"), "badge", "enrollment_identitycertificate_changelist"),
                    _item(
                        _("Certificate authority"), "workspace_premium", "enrollment_certificateauthority_changelist"
                    ),
                    _item(_("Trusted CAs"), "verified_user", "enrollment_trustedauthority_changelist"),
                    _item(_("Account"), "settings", "mdm_accounts_account_changelist"),
                    _item(_("System status"), "monitor_heart", "system_status", "mdm.admin_status.may_see_status"),
                ],
            },
        ],
    },
}
