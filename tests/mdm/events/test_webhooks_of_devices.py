"""From a device's check-in to an operator's receiver."""

from django.core.cache import cache
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from mdm.events.delivery import UNDER_WAY
from tests.factories import make_webhook
from tests.fakes.webhook_receiver import WebhookReceiver
from tests.mdm.endpoints.base import DeviceTestCase


@override_settings(WEBHOOK_ALLOW_PRIVATE=True)
class WebhooksOfDevicesTest(DeviceTestCase):
    def setUp(self):
        super().setUp()
        cache.delete(UNDER_WAY)

    def test_a_device_comes_goes_and_comes_back(self):
        with WebhookReceiver() as receiver, self.captureOnCommitCallbacks(execute=True):
            make_webhook(self.account, url=receiver.url)
            with self.captureOnCommitCallbacks(execute=True):
                device = self.enrolled_device()
            with self.captureOnCommitCallbacks(execute=True):
                device.check_out()
            with self.captureOnCommitCallbacks(execute=True):
                device.enroll()
        row = device.row
        facts = {
            "id": row.pk,
            "udid": row.udid,
            "serial_number": row.serial_number,
            "device_group_id": row.group_id,
        }
        self.assertEqual(
            [(request.json["type"], request.json["data"]) for request in receiver.received],
            [(name, {"device": facts}) for name in ("device.enrolled", "device.unenrolled", "device.enrolled")],
        )

    def test_a_check_in_looks_for_webhooks_once_and_a_connect_within_its_one_statement(self):
        with CaptureQueriesContext(connection) as enrolling:
            device = self.enrolled_device()
        with CaptureQueriesContext(connection) as connecting:
            device.idle()
        asked = [
            [query["sql"] for query in one if "mdm_events_webhook" in query["sql"]] for one in (enrolling, connecting)
        ]
        # Both messages, and the line of the log.
        self.assertEqual([len(found) for found in asked], [3, 1], asked)
        self.assertEqual(len(connecting), 1)
