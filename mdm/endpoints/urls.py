"""Check-in and connect. The token names the enrollment where the certificate cannot (a trusted external CA)."""

from django.urls import path

from mdm.endpoints.views import device_message

urlpatterns = [
    path("checkin", device_message, name="checkin"),
    path("checkin/<str:token>", device_message),
    path("connect", device_message, name="connect"),
    path("connect/<str:token>", device_message),
]
