"""What happened last, on the home page and on a device's: not what devices are asked for again and again."""

from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from devices.models import Device
from mdm.accounts.actors import DEVICE, Actor, Source
from mdm.accounts.models import Role
from mdm.commands.models import ROUTINE
from mdm.events import newest
from mdm.events.models import Event, Level
from mdm.events.services import build, emit, emit_many
from mdm.protocol.request_types import REQUEST_TYPES
from tests.admin.base import AdminTestCase
from tests.factories import make_device, make_event

ONLY_ROUTINE = "Lately nothing but routine questions"


class NewestLinesTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account, name="Lab Mac")
        Event.objects.all().delete()
        self.client = self.people[Role.READ_ONLY]
        self.pages = (reverse("admin:index"), self.url(Device, "change", self.device.pk))

    def routine(self, count: int = 1) -> None:
        """What devices write day by day: asked and answered."""
        emit_many(
            build(
                kind,
                account_id=self.account.pk,
                device=self.device,
                actor=DEVICE,
                metadata={"request_type": request_type},
            )
            for _ in range(count)
            for request_type in newest.ROUTINE
            for kind in ("command.queued", "command.acknowledged")
        )

    def shown(self, url: str) -> list[str]:
        lines: list[Any] = self.client.get(url).context["lines"]
        return [event.event_type for event, _, _ in lines]

    def test_routine_does_not_drown_what_people_want_to_know(self) -> None:
        make_event(event_type="device.enrolled", device=self.device, actor=DEVICE)
        self.routine(10)
        person = Actor(Source.ADMIN, "ann@example.com", user_id=self.users[Role.OWNER].pk)
        make_event(event_type="command.queued", device=self.device, actor=person, request_type="CertificateList")
        facts = {"account_id": self.account.pk, "device": self.device, "actor": DEVICE}
        emit("command.failed", **facts, level=Level.WARNING, request_type="ProfileList")
        emit("command.acknowledged", **facts, request_type="DeviceLock")
        for url in self.pages:
            expected = ["command.acknowledged", "command.failed", "command.queued", "device.enrolled"]
            self.assertEqual(self.shown(url), expected, url)
            response = self.client.get(url)
            self.assertContains(response, "Certificates")
            for name in ("CertificateList", "ProfileList", "DeviceLock"):
                self.assertNotContains(response, f"{name}</span>")

    def test_lines_of_routine_alone_are_told_apart_from_none(self) -> None:
        for url in self.pages:
            self.assertNotContains(self.client.get(url), ONLY_ROUTINE)
        self.routine()
        for url in self.pages:
            self.assertContains(self.client.get(url), ONLY_ROUTINE)

    def test_one_short_look_at_the_newest_lines_whatever_the_log_has(self) -> None:
        self.routine(30)
        for url in self.pages:
            with CaptureQueriesContext(connection) as captured:
                self.client.get(url)
            looks = [one["sql"] for one in captured if 'FROM "mdm_events_event"' in one["sql"]]
            self.assertEqual(len(looks), 1, url)
            self.assertIn(f"LIMIT {newest.LOOKED_AT}", looks[0])
            for column in ("information", "security", "search_text"):
                self.assertNotIn(f'"devices_device"."{column}"', looks[0])

    def test_routine_is_what_the_commands_call_so_and_the_catalogue_knows(self) -> None:
        self.assertLessEqual(set(ROUTINE), newest.ROUTINE)
        self.assertLessEqual(newest.ROUTINE, set(REQUEST_TYPES))
