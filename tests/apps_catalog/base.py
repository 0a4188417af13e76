"""Reconciling by hand, and the device's side of it: answers without a network."""

from collections.abc import Sequence

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps_catalog.models import AppAssignment, AppInstall
from apps_catalog.services.reconcile import reconcile_due
from devices.models import Device
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.services import enqueue
from mdm.commands.states import ApplyState, State
from mdm.endpoints.renderers import CannotRender, complete, give_up
from mdm.endpoints.tasks import apply_results
from mdm.events.models import Event
from mdm.protocol import plist
from mdm.protocol.request_types.lists import installed_application_list
from tests.base import AccountTestCase
from tests.factories import make_device
from tests.factories.due import mark
from tests.factories.wanted import make_group_with, make_store_app


class ReconcileTestCase(AccountTestCase):
    def reconcile(self, *devices: Device) -> None:
        mark(*devices)
        self.reconcile_marked()

    def reconcile_marked(self) -> None:
        reconcile_due()

    def statements_of_reconciling(self, devices: Sequence[Device]) -> int:
        mark(*devices)
        with CaptureQueriesContext(connection) as queries:
            self.reconcile_marked()
        return len(queries)

    def acknowledge(self, command: Command, **answer: object) -> None:
        self._answer(command, State.ACKNOWLEDGED, {"Status": "Acknowledged", **answer})

    def refuse(self, command: Command, why: str) -> None:
        chain = [{"ErrorCode": 12000, "ErrorDomain": "MDMErrorDomain", "LocalizedDescription": why}]
        self._answer(command, State.FAILED, {"Status": "Error", "ErrorChain": chain})

    def deliver(self, command: Command) -> bytes | None:
        """What the device would get; a command that cannot be completed fails as it does in a connect."""
        try:
            return complete(command)
        except CannotRender as error:
            give_up(command, str(error))
            return None

    def logged(self, event_type: str) -> Event:
        return Event.objects.get(account=self.account, event_type=event_type)

    def _answer(self, command: Command, state: State, answer: dict[str, object]) -> None:
        command.state, command.status, command.finished_at = state, answer["Status"], timezone.now()
        command.result, command.apply_state = plist.dumps(answer), ApplyState.PENDING
        command.save()
        apply_results()
        command.refresh_from_db()


class OneDeviceTestCase(ReconcileTestCase):
    """One device, step by step."""

    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.channel = Channel.objects.get(device=self.device)

    def waiting(self, request_type: str) -> Command:
        return Command.objects.get(request_type=request_type, state__in=(State.QUEUED, State.SENT))

    def hand_out(self, command: Command) -> None:
        Command.objects.filter(pk=command.pk).update(state=State.SENT, sent_at=timezone.now())
        command.refresh_from_db()

    def answer(self, command: Command, **answer: object) -> None:
        """The device's answer is stored, and no worker has read it yet."""
        command.state, command.status, command.finished_at = State.ACKNOWLEDGED, "Acknowledged", timezone.now()
        command.result = plist.dumps({"Status": "Acknowledged", **answer})
        command.apply_state = ApplyState.PENDING
        command.save()


class OneAppTestCase(OneDeviceTestCase):
    """An app that is assigned to the device by a group."""

    def setUp(self):
        super().setUp()
        self.app = make_store_app(self.account)
        self.apps_group = make_group_with(self.account, self.device, apps=(self.app,))

    def install(self) -> AppInstall:
        return AppInstall.objects.get(device=self.device, app=self.app)

    def list_of(self, *identifiers: str, **more: object) -> dict[str, object]:
        facts = {"Name": "x", "Version": "2.0", "ShortVersion": "2.0"} | more
        return {"InstalledApplicationList": [{"Identifier": one, **facts} for one in identifiers]}

    def reports(self, *identifiers: str) -> None:
        self.acknowledge(enqueue(self.channel, installed_application_list()), **self.list_of(*identifiers))

    def unassign(self) -> None:
        AppAssignment.objects.all().delete()
        self.reconcile(self.device)

    def installed(self) -> None:
        self.reconcile(self.device)
        self.acknowledge(self.waiting("InstallApplication"), State="Installing")
        Command.objects.filter(state=State.QUEUED).update(state=State.CANCELLED)
        self.reports(self.app.bundle_identifier)
