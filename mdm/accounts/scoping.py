"""The tenancy filter: the one place that decides whose rows a query may see.

Every model that an account owns inherits `AccountScoped`; the REST base and the admin base ask only `for_account()`.
`tests/test_scoping.py` walks all models, admin pages and API routes and fails for one that got round it.
"""

from typing import Self

from django.db import models


class AccountQuerySet(models.QuerySet):
    def for_account(self, account: models.Model | int) -> Self:
        """Rows of that account that an operator may see."""
        return self.filter(account=account)


class AccountScoped(models.Model):
    """A row that belongs to exactly one account."""

    # No index of its own: tables that grow have one that begins with the account, and each index costs every write.
    account = models.ForeignKey(
        "mdm_accounts.Account", on_delete=models.CASCADE, related_name="+", editable=False, db_index=False
    )

    objects = AccountQuerySet.as_manager()

    class Meta:
        abstract = True
