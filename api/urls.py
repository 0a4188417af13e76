"""Every route of the API. What is unknown below its prefixes is answered in its own form."""

from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt

from api.commands_v1 import CommandsView, PushView, QueueView
from api.errors import unknown_path
from api.openapi import RedocView, SchemaView, SwaggerView
from api.routes import endpoint

QUEUE = {"get": "list", "delete": "destroy", "post": "create", "put": "replace"}

urlpatterns = [
    path("api/v1/", include("api.v1.urls")),
    endpoint("api/schema", SchemaView.as_view(), name="api-schema"),
    endpoint("api/docs", SwaggerView.as_view(), name="api-docs"),
    endpoint("api/docs/redoc", RedocView.as_view(), name="api-redoc"),
    endpoint("v1/commands", CommandsView.as_view({"post": "create"})),
    endpoint("v1/commands/<str:udid>", QueueView.as_view(QUEUE)),
    endpoint("push/<str:udid>", PushView.as_view({"get": "push"})),
    re_path(r"^(?:api|v1|push)(?:/|$)", csrf_exempt(unknown_path)),
]
