"""Mounts the admin, the REST API, the enrollment pages and the operations URLs. Device URLs: `mdm/device_urls.py`."""

from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from mdm import health

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin", RedirectView.as_view(pattern_name="admin:index")),
    path("", include("mdm.sign_in.admin_pages.urls")),
    path("admin/", admin.site.urls),
    path("e/", include("enrollment.urls")),
    path("apps/", include("apps_catalog.urls")),
    path("", include("api.urls")),
    # Browsers ask for it by themselves wherever a page or a file names no picture.
    path("favicon.ico", RedirectView.as_view(url=static("img/pomona.svg"))),
    path("healthz", health.healthz),
    path("readyz", health.readyz),
    path("metrics", health.metrics),
]

handler400 = "api.errors.bad_request"
handler500 = "api.errors.server_error"
