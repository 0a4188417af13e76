"""What every view of the API inherits: key check, parameters, scoping by account, entity tags."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, TypeVar

from django.db import models
from django.http import Http404, HttpResponse
from django.utils.cache import get_conditional_response
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BooleanField, ChoiceField, Field, IntegerField, Serializer
from rest_framework.viewsets import ViewSet

from api.authentication import ApiKeyAuthentication
from api.parsing import MAX_BODY_BYTES, overridden_method, read_parameters
from api.permissions import ApiKeyAccess
from api.rendering import JSONRenderer
from api.schema import ApiSchema
from api.throttling import ApiKeyThrottle
from mdm.accounts.scoping import AccountQuerySet, AccountScoped
from mdm.common.downloads import entity_tag

Row = TypeVar("Row", bound=models.Model)


class Negotiation(DefaultContentNegotiation):
    """By the Accept header alone: a parameter called `format` is the client's own business."""

    settings = SimpleNamespace(URL_FORMAT_OVERRIDE=None)

    def get_accept_list(self, request: Request) -> list[str]:
        """An empty header is as good as none."""
        return super().get_accept_list(request) or ["*/*"]


class AnyType(Negotiation):
    """For answers that are files: they have the type that they have, whatever the Accept header says."""

    def select_renderer(
        self, request: Request, renderers: Sequence[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """For the errors."""
        return renderers[0], renderers[0].media_type


class ApiView(ViewSet):
    """request.account, request.api_key, request.actor: who calls. request.params: all parameters, see `api.parsing`.

    section: the part of the API that it belongs to, which a key's scopes name (`mdm.accounts.api_scopes`).
    tag: its heading in the documentation, where that is another than the section.
    takes_parameters: off where the body is not a set of parameters; the view then reads it by itself.
    changes_always: every method of the view changes something, GET too.
    """

    authentication_classes = [ApiKeyAuthentication]
    permission_classes = [ApiKeyAccess]
    throttle_classes = [ApiKeyThrottle]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = Negotiation
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    schema = ApiSchema()
    max_body_bytes = MAX_BODY_BYTES
    section: str
    tag = ""
    takes_parameters = True
    changes_always = False

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """The key first, then the body: strangers cannot make us read one. `_method` counts for all that follows."""
        self.perform_authentication(request)
        if request.auth is not None and self.takes_parameters:
            plain = request._request
            request.params = read_parameters(plain, max_bytes=self.max_body_bytes)
            plain.method = overridden_method(plain, request.params)
            self.action = self.action_map.get(plain.method.lower())
        super().initial(request, *args, **kwargs)
        if any(isinstance(value, str) and "\x00" in value for value in kwargs.values()):
            raise Http404  # PostgreSQL would not even look for it

    def finalize_response(self, request: Request, response: HttpResponse, *args: Any, **kwargs: Any) -> HttpResponse:
        response = super().finalize_response(request, response, *args, **kwargs)
        if request.method in ("GET", "HEAD") and response.status_code == 200 and isinstance(response, Response):
            response.add_post_render_callback(lambda rendered: _tagged(request, rendered))
        return response

    def rows(self, model: type[AccountScoped]) -> AccountQuerySet:
        """The rows of the caller's account: the only way by which views get at any."""
        return model.objects.for_account(self.request.account)

    def find(self, rows: models.QuerySet, pk: object) -> Any:
        """404 for what does not exist, was deleted or belongs to somebody else."""
        row = rows.filter(pk=pk).first()
        if row is None:
            raise Http404
        return row

    def read(self, shape: type[Serializer]) -> dict[str, Any]:
        """The parameters that the shape knows, checked and converted; others are passed over. Raises 422.

        A number, a switch or a choice that may be missing may be empty as well: there are clients that send all they know.
        """
        serializer = shape(data=self.request.params)
        serializer.initial_data = {
            name: value
            for name, value in self.request.params.items()
            if not _is_left_empty(value, serializer.fields.get(name))
        }
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data


def empty(status: int) -> HttpResponse:
    """No body, and says so: clients wait for one otherwise."""
    response = HttpResponse(status=status)
    del response.headers["Content-Type"]
    response.headers["Content-Length"] = "0"
    return response


def _is_left_empty(value: Any, field: Field | None) -> bool:
    return value in ("", None) and isinstance(field, IntegerField | BooleanField | ChoiceField) and not field.required


def _tagged(request: Request, response: Response) -> HttpResponse:
    """With an entity tag, or 304 for a client that has this content already."""
    response.headers["ETag"] = entity_tag(response.content)
    return get_conditional_response(request._request, etag=response.headers["ETag"], response=response)
