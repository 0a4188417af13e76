from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "mdm.accounts"
    label = "mdm_accounts"
    verbose_name = "Accounts"
