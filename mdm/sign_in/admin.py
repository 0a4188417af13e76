"""No model of sign-in has a page here: none belongs to an account. The pages are in `admin_pages`.

allauth brings lists of its rows for Django's admin: no account filters them, and "Your login" shows what is one's own.
"""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin

for _model in (EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken, UserSession):
    if admin.site.is_registered(_model):
        admin.site.unregister(_model)
