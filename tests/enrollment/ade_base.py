"""What the tests of automated enrollment start from: a DEP server with settings, and devices that come from a factory of ours."""

import plistlib
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from django.core.cache import cache as django_cache
from django.http import HttpResponse
from django.test import Client, override_settings

from apps_catalog.services.reconcile import reconcile_due
from devices.models import Device
from enrollment.models import DepDevice, Enrollment
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.endpoints.tasks import apply_results
from mdm.virtual.device import VirtualDevice
from mdm.virtual.keys import KeyPool
from tests.convergence.machines import Server
from tests.factories import make_dep_device, make_dep_server, make_dep_settings, make_group
from tests.fakes.device_authority import Certified, make_certified
from tests.mdm.endpoints.base import DeviceTestCase, make_authority

PROFILE_TYPE = "application/x-apple-aspen-config"
MESSAGE_TYPE = "application/pkcs7-signature"
POOL = KeyPool(2)


@cache
def factory() -> Certified:
    """The authority that makes our devices genuine; as old as Apple's."""
    return make_certified("Device CA of tests", bits=1024, sha1=True)


@cache
def genuine() -> Certified:
    """A device's certificate of it: they say nothing about which device it is."""
    return factory().issue("6A7B8C", sha1=True, bits=1024)


class AdeTestCase(DeviceTestCase):
    """settings: those of the server; listed: the one device that Apple lists for it."""

    def setUp(self) -> None:
        super().setUp()
        django_cache.clear()
        make_authority(self.account)
        path = Path(self.enterContext(tempfile.TemporaryDirectory())) / "devices.pem"
        self.enterContext(override_settings(APPLE_DEVICE_CA_FILE=str(factory().write(path))))
        self.office = make_group(self.account, "Office")
        self.server = make_dep_server(self.account)
        self.settings = make_dep_settings(self.server, device_group=self.office)
        self.listed: DepDevice = make_dep_device(self.server, "C02ADE000001")
        self.url = f"/e/ade/{self.settings.token}"
        self.http = Client()

    def change(self, **fields: object) -> None:
        type(self.settings).objects.filter(pk=self.settings.pk).update(**fields)
        self.settings.refresh_from_db()

    def device(self, platform: str = "ios", **options: Any) -> VirtualDevice:
        """Genuine, with the serial number that Apple lists unless another is given."""
        options = {"serial": self.listed.serial_number, "key_source": POOL} | options
        client = self.enterContext(httpx.Client(transport=Server(), base_url="http://127.0.0.1:8000"))
        device = VirtualDevice(platform, client=client, **options)
        device.factory_identity = genuine().identity
        return device

    def message(self, device: VirtualDevice | None = None, **keys: Any) -> bytes:
        """A device's signed MachineInfo, with these keys in place of its own; None leaves one out."""
        device = device or self.device()
        info = {key: value for key, value in (device.machine_info() | keys).items() if value is not None}
        return device.signed_machine_info(info)

    def post(self, body: bytes, url: str = "") -> HttpResponse:
        return self.http.post(url or self.url, body, content_type=MESSAGE_TYPE)

    def profile_of(self, response: HttpResponse) -> dict[str, Any]:
        """The property list inside the signed profile of an answer."""
        self.assertEqual(
            (response.status_code, response.headers["Content-Type"]), (200, PROFILE_TYPE), response.content
        )
        begin, end = response.content.index(b"<?xml"), response.content.index(b"</plist>") + len(b"</plist>")
        return plistlib.loads(response.content[begin:end])

    def refused(self, response: HttpResponse, status: int) -> str:
        """The words; nobody got an invitation."""
        self.assertEqual(response.status_code, status, response.content[:500])
        self.assertFalse(Enrollment.objects.filter(is_automated=True).exists())
        return response.content.decode()

    def row(self) -> Device:
        return Device.objects.for_account(self.account).get(serial_number=self.listed.serial_number)

    def channel(self) -> Channel:
        return Channel.objects.get(device=self.row(), user_key="")

    def work(self) -> None:
        """What the workers do: read answers, and compare devices with what they should have."""
        apply_results()
        reconcile_due()

    def asked(self, channel: Channel | None = None) -> list[str]:
        """Request types of the commands that wait for the device, in their order."""
        waiting = Command.objects.filter(channel=channel or self.channel(), state__in=("queued", "sent"))
        return list(waiting.order_by("pk").values_list("request_type", flat=True))
