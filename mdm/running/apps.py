from django.apps import AppConfig


class RunningConfig(AppConfig):
    name = "mdm.running"
    label = "mdm_running"
    verbose_name = "System status"

    def ready(self) -> None:
        from mdm.running import signals  # noqa: PLC0415 it needs the models, which are there from now on

        signals.connect()
