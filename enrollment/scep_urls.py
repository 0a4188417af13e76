"""SCEP, mounted by `mdm/device_urls.py`. The second name is what clients of the first SCEP servers append."""

from django.urls import path

from enrollment.scep_views import scep_endpoint

urlpatterns = [
    path("scep/<str:scep_id>", scep_endpoint, name="scep"),
    path("scep/<str:scep_id>/", scep_endpoint),
    path("scep/<str:scep_id>/pkiclient.exe", scep_endpoint),
]
