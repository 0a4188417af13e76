"""Views of the device list that people keep: a search, filters, an order and the columns to show."""

from django.db import models
from django.db.models.functions import Lower

from mdm.accounts.models import User
from mdm.accounts.scoping import AccountScoped


class SavedView(AccountScoped):
    """One person's, or shared with everybody of the account."""

    owner = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=100)
    query = models.CharField(max_length=2000, blank=True, help_text="The list's address after the question mark.")
    columns = models.JSONField(default=list, help_text="Keys of columns; empty: what everybody sees at first.")
    is_shared = models.BooleanField("shared", default=False, help_text="Everybody who works in the account sees it.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint("account", "owner", Lower("name"), name="one_saved_view_per_name"),
        ]

    def __str__(self) -> str:
        return self.name
