"""Licences of Apps and Books: how many of an app there are, and how many devices wait for one."""

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.schema import Resource, describe, reference
from api.v1.base import ResourceView, link, resource
from apps_catalog.models import App
from apps_catalog.services.licence_totals import Counts, counts_of

LICENCES = Resource(
    "AppLicences",
    {
        "name": serializers.CharField(),
        "needs_licence": serializers.BooleanField(help_text="Whether a location of the account has licences of it."),
        "total": serializers.IntegerField(),
        "assigned": serializers.IntegerField(),
        "available": serializers.IntegerField(),
        "waiting": serializers.IntegerField(help_text="Devices that should have the app and have no licence yet."),
        "short": serializers.IntegerField(help_text="Those of them for which none is left."),
    },
    {"app": reference("app")},
    type_name="app_licences",
)


class AppLicencesView(ResourceView):
    section = "apps"

    @describe("apps_licences", "Count the licences of an app", answers=LICENCES.one)
    def licences(self, request: Request, pk: int) -> Response:
        """As Apple counted them last, in all locations of the account."""
        app = self.find(self.rows(App), pk)
        found = counts_of([app]).get(app.pk)
        counts = found or Counts(0, 0, 0)
        attributes = {
            "name": app.name,
            "needs_licence": found is not None,
            "total": counts.total,
            "assigned": counts.assigned,
            "available": counts.available,
            "waiting": counts.waiting,
            "short": counts.short,
        }
        return Response({"data": resource("app_licences", app.pk, attributes, {"app": link("app", app.pk)})})
