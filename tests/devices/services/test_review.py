"""Two of them at the same moment, each on a connection of its own. Needs a database that locks rows."""

import threading
from datetime import timedelta
from unittest import mock

from django.db import transaction
from django.test import skipUnlessDBFeature
from django.utils import timezone

from devices.models import Device
from devices.services import inventories
from devices.services.inventories import ask_due
from mdm.channels.models import Channel
from mdm.channels.services import request_push
from mdm.commands.models import Command
from tests.apps_catalog.test_lock_order import LockTestCase


@skipUnlessDBFeature("has_select_for_update")
class AskingTest(LockTestCase):
    """The questions of the schedule, while others hold the same device."""

    def setUp(self):
        super().setUp()
        long_ago = timezone.now() - timedelta(days=2)
        Device.objects.update(information_at=long_ago)
        Channel.objects.update(enrolled_at=long_ago)

    def test_whoever_holds_the_device_and_then_wakes_it_gets_through(self) -> None:
        with transaction.atomic():
            Device.objects.select_for_update(no_key=True).get(pk=self.device.pk)
            thread = self.at_once(ask_due)
            request_push([Channel.objects.get(device=self.device).pk])
        self.finish(thread)
        self.assertTrue(Command.objects.filter(request_type="ProfileList").exists())

    def test_two_at_once_ask_once(self) -> None:
        threads: list[threading.Thread] = []
        begun: list[bool] = []
        ask = inventories._ask

        def asked(*given: object) -> object:
            if not begun:
                begun.append(True)
                threads.append(self.at_once(ask_due))
            return ask(*given)

        with mock.patch.object(inventories, "_ask", asked):
            ask_due()
        self.finish(threads[0])
        self.assertEqual(Command.objects.filter(request_type="ProfileList").count(), 1)
