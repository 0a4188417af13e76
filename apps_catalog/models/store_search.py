from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy

from mdm.accounts.scoping import AccountScoped


class SearchState(models.TextChoices):
    WAITING = "waiting", gettext_lazy("Waiting")
    DONE = "done", gettext_lazy("Done")
    FAILED = "failed", gettext_lazy("Failed")


class StoreSearch(AccountScoped):
    """Somebody looks for an app by its name; a worker asks the App Store. Kept for a while, so that nobody asks twice."""

    country = models.CharField(max_length=2)
    words = models.CharField(max_length=100, help_text="In lower case.")
    state = models.CharField(max_length=10, choices=SearchState, default=SearchState.WAITING)
    # Of each app that was found: what `apps_catalog.store_lookup.StoreApp` says, without its picture.
    results = models.JSONField(default=list)
    error = models.CharField(max_length=300, blank=True)
    due_at = models.DateTimeField(default=timezone.now, help_text="When it is asked next; the end of a worker's lease.")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "country", "words"], name="one_store_search_for_words")
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=Q(state="waiting"), name="store_search_waiting"),
            models.Index(fields=["created_at"], name="store_search_age"),
        ]

    def __str__(self) -> str:
        return self.words
