from django.apps import AppConfig


class CommandsConfig(AppConfig):
    name = "mdm.commands"
    label = "mdm_commands"
    verbose_name = "Commands"
