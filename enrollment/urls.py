"""What a person opens on the device, mounted at /e/."""

from django.urls import path

from enrollment.views import download, start

urlpatterns = [
    path("", start, name="enrollment-start"),
    path("profile", download, name="enrollment-profile"),
]
