"""The form of a resource: {data: {type, id, attributes, relationships}}, and pages of it."""

from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import Model, QuerySet
from rest_framework.response import Response

from api.pagination import paginate
from api.views import ApiView

Encode = Callable[[Any], dict[str, Any]]


class ResourceView(ApiView):
    """Base of every resource. A view gets rows by `self.rows(Model)` only, which is where the account is looked at."""

    def one(self, row: Model, encode: Encode, *, status: int = 200) -> Response:
        return Response({"data": encode(row)}, status=status)

    def page(self, rows: QuerySet, encode: Encode, *, find_cursor: Callable[[str], int] | None = None) -> Response:
        """A page by cursor, encoded row by row: whatever encode needs is prefetched by rows."""
        page = paginate(rows, self.request.params, find_cursor=find_cursor)
        return Response({"data": [encode(row) for row in page.rows], "has_more": page.has_more})


def resource(
    type_name: str, pk: int | str, attributes: Mapping[str, Any], relationships: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    body = {"type": type_name, "id": pk, "attributes": attributes}
    return body if relationships is None else body | {"relationships": relationships}


def link(type_name: str, pk: int) -> dict[str, Any]:
    """A relationship to one object."""
    return {"data": {"type": type_name, "id": pk}}
