"""Authenticator apps, passkeys and recovery codes of people: allauth keeps them, this says how they are kept and who has one.

What an authenticator app and recovery codes are made from is encrypted at rest. allauth's interface names no row, so the
ciphertexts are bound to their kind and not to a person.
"""

import base64
from collections.abc import Iterator
from urllib.parse import urlsplit

import segno
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from mdm.accounts.models import User
from mdm.common import crypto
from mdm.sign_in.passkeys import relying_party

PLACE = "mdm_sign_in.authenticator"
# Where allauth puts what `encrypt` made: by kind, the key in `data`.
SECRET_NAMES = ("secret", "seed")
TYPES = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
MOST_NAME_LENGTH = 100


class MfaAdapter(DefaultMFAAdapter):
    """Named in MFA_ADAPTER."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": gettext_lazy(
            "This code is not right. Codes of an app change every 30 seconds; take the newest."
        ),
    }

    def encrypt(self, text: str) -> str:
        return base64.b64encode(crypto.encrypt(text.encode(), place=PLACE)).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Raises CannotDecrypt."""
        return crypto.decrypt(base64.b64decode(encrypted_text), place=PLACE).decode()

    def get_totp_issuer(self) -> str:
        """What the app shows above the code: which Pomona it is."""
        return f"Pomona {urlsplit(settings.BASE_URL).hostname}"

    def build_totp_svg(self, url: str) -> str:
        """Dark on light in both themes, so that cameras read it."""
        code = segno.make(url, error="m", micro=False)
        title = _("QR code for the authenticator app")
        return code.svg_inline(omitsize=True, border=3, dark="#000", light="#fff", svgclass="pm-qr", title=title)

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Only asked for where passkeys can be used: `mdm.sign_in.passkeys` decides, and pages without do not come here."""
        return {"id": relying_party(context.request), "name": "Pomona"}

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        count = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return _("Passkey") if not count else _("Passkey %(number)s") % {"number": count + 1}


def has_second_factor(user: User) -> bool:
    """An authenticator app or a passkey. Recovery codes alone are none: they go when the last of these does."""
    return Authenticator.objects.filter(user_id=user.pk, type__in=TYPES).exists()


def reset_second_factor(user: User) -> bool:
    """Take all of it away, for somebody who has lost phone and codes: the password alone lets them in then.

    False if there was none. Whoever calls it logs it, and ends the person's sessions where that is wanted.
    """
    return bool(Authenticator.objects.filter(user_id=user.pk).delete()[0])


def rotate_secrets() -> Iterator[tuple[int, crypto.CannotDecrypt | None]]:
    """Encrypt anew what does not have the first of FIELD_ENCRYPTION_KEYS: each row's key, and why it could not be done."""
    rows = Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN).order_by("pk")
    for pk in list(rows.values_list("pk", flat=True)):
        with transaction.atomic():
            row = Authenticator.objects.select_for_update().filter(pk=pk).first()
            if row is None:
                continue
            try:
                has_changed = _rotate(row)
            except crypto.CannotDecrypt as error:
                yield pk, error
                continue
            if has_changed:
                yield pk, None


def _rotate(row: Authenticator) -> bool:
    """Raises CannotDecrypt."""
    adapter = MfaAdapter()
    stale = [
        name for name in SECRET_NAMES if name in row.data and not crypto.is_current(base64.b64decode(row.data[name]))
    ]
    for name in stale:
        row.data[name] = adapter.encrypt(adapter.decrypt(row.data[name]))
    if stale:
        row.save(update_fields=["data"])
    return bool(stale)
