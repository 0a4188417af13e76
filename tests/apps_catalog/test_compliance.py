"""How many devices have all that they should have: counted for all accounts at once, told when it changes."""

from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps_catalog.services.compliance import Compliance, compliance_by_account, report_changes
from apps_catalog.tasks import report_compliance
from devices.models import DueDevice, ItemState
from mdm.events.models import Event, WebhookDelivery
from tests.base import AccountTestCase
from tests.factories import make_app, make_app_install, make_device, make_profile, make_webhook
from tests.factories.due import mark
from tests.factories.profiles import make_profile_install


class ComplianceTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.profile, self.app = make_profile(self.account), make_app(self.account)

    def counts(self) -> Compliance:
        return compliance_by_account()[self.account.pk]

    def lines(self) -> list[dict]:
        lines = Event.objects.for_account(self.account).filter(event_type="account.compliance").order_by("pk")
        return [line.metadata for line in lines]

    def test_a_device_that_should_have_nothing_has_all_of_it(self):
        make_device(self.account)
        make_device(self.account, enrolled=False)
        make_device(self.account, removed_at=timezone.now())
        self.assertEqual(self.counts(), Compliance(enrolled=1, compliant=1))
        self.assertNotIn(self.other_account.pk, compliance_by_account())

    def test_each_state_of_a_profile_and_of_an_app(self):
        underway, failed = Compliance(1, 0, 1, 0), Compliance(1, 0, 0, 1)
        expected = {
            ItemState.NOT_APPLICABLE: Compliance(1, 1, 0, 0),
            ItemState.INSTALLED: Compliance(1, 1, 0, 0),
            ItemState.PENDING: underway,
            ItemState.PUSHED: underway,
            ItemState.REMOVING: underway,
            ItemState.FAILED: failed,
        }
        device = make_device(self.account)
        for row in (make_profile_install(self.profile, device), make_app_install(self.app, device)):
            for state in ItemState:
                type(row).objects.filter(pk=row.pk).update(state=state)
                self.assertEqual(self.counts(), expected[state], (row, state))
            type(row).objects.filter(pk=row.pk).update(state=ItemState.REMOVING, attempts=1)
            self.assertEqual(self.counts(), failed)
            row.delete()

    def test_a_device_counts_once_as_the_worst_of_it(self):
        device = make_device(self.account)
        make_profile_install(self.profile, device)
        make_profile_install(make_profile(self.account), device, ItemState.PUSHED)
        make_profile_install(make_profile(self.account), device, ItemState.FAILED)
        make_app_install(self.app, device, ItemState.FAILED)
        make_profile_install(self.profile, make_device(self.account))
        self.assertEqual(self.counts(), Compliance(enrolled=2, compliant=1, failed=1))

    def test_a_device_that_is_yet_to_be_compared_is_under_way(self):
        device = make_device(self.account)
        mark(device)
        self.assertEqual(self.counts(), Compliance(enrolled=1, underway=1))
        DueDevice.objects.update(due_at=timezone.now() + timedelta(hours=1))  # a retry to come
        self.assertEqual(self.counts(), Compliance(enrolled=1, compliant=1))

    def test_it_is_told_when_it_changes_and_only_then(self):
        report_compliance()
        self.assertEqual(self.lines(), [])
        device = make_device(self.account)
        self.assertEqual([report_changes(), report_changes()], [1, 0])
        make_profile_install(self.profile, device, ItemState.FAILED)
        self.assertEqual([report_changes(), report_changes()], [1, 0])
        device.removed_at = timezone.now()
        device.save()
        self.assertEqual([report_changes(), report_changes()], [1, 0])
        self.assertEqual(
            self.lines(),
            [
                {"enrolled": 1, "compliant": 1, "underway": 0, "failed": 0},
                {"enrolled": 1, "compliant": 0, "underway": 0, "failed": 1},
                {"enrolled": 0, "compliant": 0, "underway": 0, "failed": 0},
            ],
        )

    def test_webhooks_that_ask_for_it_are_told(self):
        make_webhook(self.account)
        asking = make_webhook(self.account, events=["account.compliance"])
        make_webhook(self.other_account, events=["account.compliance"])
        make_device(self.account)
        report_changes()
        self.assertEqual([row.webhook for row in WebhookDelivery.objects.all()], [asking])

    def test_the_statements_do_not_grow_with_devices(self):
        def cost() -> int:
            with CaptureQueriesContext(connection) as captured:
                self.assertEqual(report_changes(), 1)
            return len(captured)

        make_device(self.account)
        first = cost()
        for _ in range(8):
            make_profile_install(self.profile, make_device(self.account), ItemState.PUSHED)
        self.assertEqual(cost(), first)
        with self.assertNumQueries(2):
            report_changes()
