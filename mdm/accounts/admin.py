"""API keys. People are in `mdm.sign_in`, and the account's own page in `mdm.admin_account`: both know more than accounts do."""

from django.contrib import admin
from django.contrib.auth.models import Group

from mdm.accounts.admin_api_keys import ApiKeyAdmin

__all__ = ["ApiKeyAdmin"]

# Django registers its groups by itself. Pomona has roles, and a list that no account filters has no place here.
admin.site.unregister(Group)
