"""What the management commands share."""

from django.core.management.base import CommandError

from mdm.accounts.models import Account


def account_with_id(account_id: int) -> Account:
    """Raises CommandError."""
    try:
        return Account.objects.get(pk=account_id)
    except (Account.DoesNotExist, OverflowError) as error:
        raise CommandError(f"There is no account with the id {account_id}.") from error
