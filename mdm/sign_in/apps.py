from django.apps import AppConfig


class SignInConfig(AppConfig):
    name = "mdm.sign_in"
    label = "mdm_sign_in"
    verbose_name = "Sign-in"
