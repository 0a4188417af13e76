"""Profiles of operators, signed by the account on their way to devices."""

from enrollment.services.ca import authority_of, open_authority
from mdm.accounts.models import Account
from mdm.protocol import cms, mobileconfig


def signed_if_wanted(content: bytes, account: Account) -> bytes:
    """Signed by the account's CA, as its enrollment profiles are, where the account is set to do so.

    What was uploaded signed stays as it is: whoever signed it meant to be seen.
    """
    if not account.signs_profiles or mobileconfig.is_signed(content):
        return content
    opened = open_authority(authority_of(account))
    return cms.sign(content, opened.key, opened.certificate)
