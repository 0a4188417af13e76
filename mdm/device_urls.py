"""Every URL that a device calls: check-in, connect and SCEP. Served by `mdm.edge` without cookies."""

from django.urls import include, path

urlpatterns = [
    path("mdm/", include("mdm.endpoints.urls")),
    path("", include("enrollment.scep_urls")),
]
