from django.apps import AppConfig


class ChannelsConfig(AppConfig):
    name = "mdm.channels"
    label = "mdm_channels"
    verbose_name = "Channels"
