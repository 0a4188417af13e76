"""Counting no further than people read."""

from django.db.models import IntegerField, Subquery


class BoundedCount(Subquery):
    """How many rows the query has; it ends with a LIMIT, so that no more are looked at."""

    template = "(SELECT COUNT(*) FROM (%(subquery)s) _some)"
    output_field = IntegerField()
