from django.apps import AppConfig


class PushConfig(AppConfig):
    name = "mdm.push"
    label = "mdm_push"
    verbose_name = "Push notifications"
