"""Check-in and connect, and scripts for Macs.

The token of check-in and connect names the enrollment where the certificate cannot (a trusted external CA).
"""

from django.urls import path

from mdm.endpoints.agent import next_script, script_ended
from mdm.endpoints.views import device_message

urlpatterns = [
    path("checkin", device_message, name="checkin"),
    path("checkin/<str:token>", device_message),
    path("connect", device_message, name="connect"),
    path("connect/<str:token>", device_message),
    path("agent/next", next_script),
    path("agent/runs/<int:run_id>", script_ended),
]
