"""Check-in and connect, and scripts for Macs.

The token of check-in and connect names the enrollment where the certificate cannot (a trusted external CA).
"""

from django.urls import path

from mdm.endpoints.agent import agent_itself, next_script, script_begins, script_ended, script_prints
from mdm.endpoints.agent_package import agent_package
from mdm.endpoints.views import device_message

urlpatterns = [
    path("agent/package/<str:name>.pkg", agent_package, name="agent-package"),
    path("checkin", device_message, name="checkin"),
    path("checkin/<str:token>", device_message),
    path("connect", device_message, name="connect"),
    path("connect/<str:token>", device_message),
    path("agent/next", next_script),
    path("agent/runs/<str:name>/begin", script_begins),
    path("agent/runs/<str:name>/output", script_prints),
    path("agent/runs/<str:name>/end", script_ended),
    path("agent/program", agent_itself),
]
