"""The project's own app config: the wiring that belongs to no single package."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig as DjangoAdminConfig

from mdm import checks


class CoreConfig(AppConfig):
    name = "mdm"
    label = "mdm_core"
    verbose_name = "Pomona"

    def ready(self) -> None:
        checks.register_all()


class AdminConfig(DjangoAdminConfig):
    """Django's admin, on our own site."""

    default_site = "mdm.admin_site.PomonaSite"
