from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "mdm.events"
    label = "mdm_events"
    verbose_name = "Log"
