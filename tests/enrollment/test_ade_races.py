"""Several at once: one row, one open profile, one order to go on, no more tries than there are."""

from pathlib import Path

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from devices.models import Device
from enrollment.models import DepSettings, Enrollment
from enrollment.services import ade_sign_in
from enrollment.services.ade import recognize
from enrollment.services.ade_sign_in import TooManyTries, WrongPassword, sign_in
from enrollment.services.setup_assistant import release_due
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.events.models import Event
from mdm.protocol.machine_info import MachineInfo
from mdm.virtual import cms
from tests.enrollment.ade_base import MESSAGE_TYPE, factory, genuine
from tests.enrollment.test_scep_race import at_once
from tests.factories import make_dep_device, make_dep_server, make_dep_settings, make_device, make_user
from tests.mdm.endpoints.base import make_authority

SERIAL = "C02RACE00001"
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def place(settings: Settings, tmp_path: Path) -> DepSettings:
    settings.APPLE_DEVICE_CA_FILE = str(factory().write(tmp_path / "devices.pem"))
    cache.clear()
    server = make_dep_server()
    make_dep_device(server, SERIAL)
    make_authority(server.account)
    return make_dep_settings(server)


def test_of_8_requests_at_once_the_device_has_one_row_and_one_open_profile(place: DepSettings) -> None:
    content = b"<plist><dict><key>SERIAL</key><string>%s</string></dict></plist>" % SERIAL.encode()
    message = cms.sign(content, genuine().identity)
    url = f"/e/ade/{place.token}"
    statuses = at_once(lambda _n: Client().post(url, message, content_type=MESSAGE_TYPE).status_code, 8)
    assert statuses == [200] * 8
    assert Device.objects.filter(serial_number=SERIAL).count() == 1
    assert Enrollment.objects.filter(revoked_at=None).count() == 1
    assert Enrollment.objects.count() == 8


def test_of_8_workers_one_tells_each_device(place: DepSettings) -> None:
    now = timezone.now()
    for _ in range(30):
        make_device(place.account)
    Channel.objects.update(awaiting_configuration=True, awaiting_since=now, token_updated_at=now)
    assert sum(at_once(lambda _n: release_due(), 8)) == 30
    assert Command.objects.filter(request_type="DeviceConfigured").count() == 30
    assert Event.objects.filter(event_type="setup.released").count() == 30


def test_guesses_at_once_are_no_more_than_one_after_the_other(place: DepSettings) -> None:
    email = make_user(place.account).email
    arrival = recognize(place, MachineInfo(SERIAL))

    def guess(number: int) -> type[Exception]:
        try:
            sign_in(arrival, email, f"guess {number}")
        except (WrongPassword, TooManyTries) as error:
            return type(error)
        raise AssertionError("somebody got in")

    outcomes = at_once(guess, 20)
    assert outcomes.count(WrongPassword) <= ade_sign_in.TRIES
    assert outcomes.count(TooManyTries) >= 20 - ade_sign_in.TRIES
