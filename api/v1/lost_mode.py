"""Lost Mode of iPhones and iPads."""

from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.request import Request

from api.schema import ACCEPTED, describe
from api.v1.fields import text, without_null
from api.views import ApiView, empty
from devices.models import Device
from devices.services import lost_mode


class LostModeWords(serializers.Serializer):
    message = text()
    phone_number = text()
    footnote = text()


class LostModeView(ApiView):
    section = "devices"
    tag = "Lost Mode"

    def device(self, pk: int) -> Device:
        return self.find(self.rows(Device), pk)

    @describe(
        "devices_lost_mode_enable",
        "Switch Lost Mode on; needs a message or a phone number",
        answers=ACCEPTED,
        status=202,
        takes=LostModeWords,
    )
    def enable(self, request: Request, pk: int) -> HttpResponse:
        device, given = self.device(pk), self.read(LostModeWords)
        lost_mode.switch_on(device, **without_null(given), actor=request.actor)
        return empty(202)

    @describe("devices_lost_mode_disable", "Switch Lost Mode off", answers=ACCEPTED, status=202)
    def disable(self, request: Request, pk: int) -> HttpResponse:
        lost_mode.switch_off(self.device(pk), actor=request.actor)
        return empty(202)

    @describe("devices_lost_mode_play_sound", "Have a lost device play a sound", answers=ACCEPTED, status=202)
    def play_sound(self, request: Request, pk: int) -> HttpResponse:
        lost_mode.play_sound(self.device(pk), actor=request.actor)
        return empty(202)

    @describe("devices_lost_mode_update_location", "Ask a lost device where it is", answers=ACCEPTED, status=202)
    def update_location(self, request: Request, pk: int) -> HttpResponse:
        lost_mode.locate(self.device(pk), actor=request.actor)
        return empty(202)
