"""What a person opens on the device, and what devices of Apple's lists call, mounted at /e/."""

from django.urls import path

from enrollment.ade_views import enroll, sign_in_page
from enrollment.views import download, start

urlpatterns = [
    path("", start, name="enrollment-start"),
    path("profile", download, name="enrollment-profile"),
    path("ade/<str:token>", enroll, name="ade-enroll"),
    path("ade/<str:token>/sign-in", sign_in_page, name="ade-sign-in"),
]
