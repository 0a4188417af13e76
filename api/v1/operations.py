"""Operations: changes for so many devices that they reach them little by little. They can be watched and held back."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.pagination import paginate
from api.permissions import demand_section
from api.schema import LIST_PARAMETERS, Resource, describe
from api.times import iso
from api.v1.base import ResourceView, resource
from api.views import empty
from devices.models import BulkOperation, OperationKind, OperationOrder, OperationState
from devices.services import operations
from devices.services.operations import Progress, progress_of

OPERATION = Resource(
    "Operation",
    {
        "title": serializers.CharField(help_text="What was changed."),
        "kind": serializers.ChoiceField(OperationKind.choices),
        "state": serializers.ChoiceField(OperationState.choices),
        "total": serializers.IntegerField(help_text="Devices."),
        "done": serializers.IntegerField(help_text="Devices that it has reached, or that a newer change took over."),
        "left": serializers.IntegerField(help_text="Devices that it has still to reach."),
        "percent": serializers.IntegerField(),
        "commands": serializers.IntegerField(help_text="Queued by it so far."),
        "pushes_per_second": serializers.IntegerField(help_text="How fast its devices are woken; 0: all at once."),
        "started_by": serializers.CharField(help_text="A person's address, an API key's name, or system."),
        "created_at": serializers.DateTimeField(),
        "finished_at": serializers.DateTimeField(allow_null=True),
    },
)


def encode_operation(operation: BulkOperation, progress: Progress) -> dict[str, Any]:
    attributes = {
        "title": operation.title,
        "kind": operation.kind,
        "state": operation.state,
        "total": progress.total,
        "done": progress.done,
        "left": progress.left,
        "percent": progress.percent,
        "commands": operation.commands,
        "pushes_per_second": operation.pushes_per_second,
        "started_by": operation.actor_label or operation.source,
        "created_at": iso(operation.created_at),
        "finished_at": iso(operation.finished_at),
    }
    return resource("operation", operation.pk, attributes)


class OperationsView(ResourceView):
    section = "operations"

    @describe("operations_list", "List the changes for many devices", answers=OPERATION.many, query=[*LIST_PARAMETERS])
    def list(self, request: Request) -> Response:
        page = paginate(self.rows(BulkOperation), request.params)
        return Response({"data": _encoded(page.rows), "has_more": page.has_more})

    @describe("operations_retrieve", "Retrieve a change for many devices, with its progress", answers=OPERATION.one)
    def retrieve(self, request: Request, pk: int) -> Response:
        return Response({"data": _encoded([self._operation(pk)])[0]})

    @describe("operations_cancel", "Hold a running change back", status=204)
    def cancel(self, request: Request, pk: int) -> HttpResponse:
        """Devices that it has not reached stay as they are, until it is resumed or something else changes for them."""
        operations.cancel(self._operation(pk), request.actor)
        return empty(204)

    @describe("operations_resume", "Let a change go on that was held back", status=204)
    def resume(self, request: Request, pk: int) -> HttpResponse:
        """One that sends devices something needs the scope devices:write as well: it does what that scope is for."""
        operation = self._operation(pk)
        if OperationOrder.objects.filter(operation=operation).exists():
            demand_section(request.auth, "devices", changes=True)
        operations.resume(operation, request.actor)
        return empty(204)

    def _operation(self, pk: int) -> BulkOperation:
        return self.find(self.rows(BulkOperation), pk)


def _encoded(rows: Sequence[BulkOperation]) -> list[dict[str, Any]]:
    progress = progress_of(rows)
    return [encode_operation(row, progress[row.pk]) for row in rows]
