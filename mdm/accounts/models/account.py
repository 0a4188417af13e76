from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class Account(models.Model):
    """A tenant: one organization. Every other row belongs to exactly one account."""

    name = models.CharField(max_length=200)
    apple_store_country_code = models.CharField(
        _("App Store country"),
        max_length=2,
        default="US",
        validators=[RegexValidator(r"^[A-Z]{2}$", _("Two capital letters, for example US or DE."))],
        help_text=_("The App Store whose apps and prices this account sees: a two-letter country code."),
    )
    signs_profiles = models.BooleanField(
        _("sign profiles"),
        default=False,
        help_text=_(
            "Profiles are delivered signed by the account's certificate authority, as its enrollment profiles are; "
            "what was uploaded signed stays as it is."
        ),
    )
    license_total = models.PositiveIntegerField(
        _("device licences"),
        null=True,
        blank=True,
        help_text=_("How many devices may be enrolled at once. Empty: no limit."),
    )
    requires_second_factor = models.BooleanField(
        _("require two-factor sign-in"),
        default=False,
        help_text=_("People see this account only after they have set up an authenticator app or a passkey."),
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name
