"""An account with a DEP server that speaks to the fake service, and short ways to let workers do their part."""

from django.test import TestCase, override_settings
from django.utils import timezone

from enrollment.models import AssignState, DepDevice, DepServer, DepSettings
from enrollment.services.dep_assign import assign_due
from enrollment.services.dep_sync import sync_due
from mdm.events.models import Event
from tests.factories import make_account, make_default_group, make_dep_server
from tests.fakes.dep import ACCESS, CONSUMER, FakeDep

TOKEN = {
    "consumer_key": CONSUMER[0],
    "consumer_secret": CONSUMER[1],
    "access_token": ACCESS[0],
    "access_secret": ACCESS[1],
}


def facts(kind: str) -> list[dict]:
    return [event.metadata for event in Event.objects.filter(event_type=kind).order_by("pk")]


class DepCase(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.account = make_account("Acme")
        self.group = make_default_group(self.account)
        self.dep = self.enterContext(FakeDep())
        self.enterContext(override_settings(DEP_URL=self.dep.url))
        self.server = make_dep_server(self.account, "Phones", **TOKEN)

    def sync(self) -> DepServer:
        """A sync that somebody asked for; how the server looks then."""
        DepServer.objects.filter(pk=self.server.pk).update(sync_due_at=timezone.now())
        sync_due()
        self.server.refresh_from_db()
        return self.server

    def assign(self, *, now: bool = True) -> DepSettings:
        """What a worker does with the settings; now: also if they wait for a retry."""
        if now:
            DepSettings.objects.update(due_at=timezone.now())
        assign_due()
        return DepSettings.objects.get(server=self.server)

    def states(self) -> dict[str, str]:
        return dict(DepDevice.objects.filter(server=self.server).values_list("serial_number", "assign_state"))

    def assert_everywhere(self, settings: DepSettings, serials: list[str]) -> None:
        """Apple has the settings' profile on these devices, and we know it."""
        self.assertEqual((settings.error, settings.attempts, settings.started_at), ("", 0, None))
        self.assertIn(settings.profile_uuid, self.dep.profiles)
        self.assertEqual({self.dep.devices[one].get("profile_uuid") for one in serials}, {settings.profile_uuid})
        states = self.states()
        self.assertEqual({states[one] for one in serials}, {AssignState.ASSIGNED})
        known = DepDevice.objects.filter(server=self.server, serial_number__in=serials[:500])
        self.assertEqual(set(known.values_list("profile_uuid", flat=True)), {settings.profile_uuid})
