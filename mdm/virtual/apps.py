from django.apps import AppConfig


class VirtualConfig(AppConfig):
    """Registered only so that `manage.py simulate_devices` is found; there are no models."""

    name = "mdm.virtual"
    label = "mdm_virtual"
    verbose_name = "virtual devices"
