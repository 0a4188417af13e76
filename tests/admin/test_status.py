"""The page that tells whether the server itself is well."""

from collections import namedtuple
from datetime import timedelta
from unittest.mock import patch

from django.core.cache import cache
from django.db import connection
from django.http import HttpResponse
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from devices.models import DueDevice
from mdm.accounts.models import Role
from mdm.channels.models import Channel
from mdm.running import parts
from mdm.running.migrations_left import migrations_left
from mdm.running.models import Probe, ProcessKind, ScheduledRun
from tests.admin.base import AdminTestCase, signed_in
from tests.factories import make_command, make_delivery, make_device, make_invitation, make_user, make_webhook
from tests.mdm.running.test_heartbeats import make_heartbeat

MOST_STATEMENTS = 20
Usage = namedtuple("Usage", "total used free")


class StatusTestCase(AdminTestCase):
    address = reverse("admin:system_status")

    def status(self, role: Role = Role.ADMIN) -> HttpResponse:
        return self.people[role].get(self.address)

    def part(self, key: str) -> parts.Part:
        return next(part for part in self.status().context["parts"] if part.key == key)


class AccessTest(StatusTestCase):
    def test_it_is_for_those_who_configure_the_account(self) -> None:
        expected = {Role.OWNER: 200, Role.ADMIN: 200, Role.OPERATOR: 403, Role.READ_ONLY: 403}
        self.assertEqual({role: self.status(role).status_code for role in expected}, expected)
        self.assertEqual(self.nobody.get(self.address).status_code, 302)
        stranger = signed_in(make_user(None, email="stranger@example.com"))
        self.assertEqual(stranger.get(self.address).status_code, 403)

    def test_the_sidebar_leads_there_whom_it_is_for(self) -> None:
        for role in Role:
            shown = self.address in self.people[role].get(reverse("admin:index")).content.decode()
            self.assertEqual(shown, role in (Role.OWNER, Role.ADMIN), role)

    def test_whoever_runs_the_server_sees_it_without_an_account(self) -> None:
        user = make_user(None, email="root@example.com", is_superuser=True)
        response = signed_in(user).get(self.address)
        self.assertContains(response, "in all accounts")
        self.assertContains(response, "Lines of the log to forward")


class PartsTest(StatusTestCase):
    def test_what_works_is_said(self) -> None:
        for key in ("database", "broker", "cache", "disk"):
            self.assertEqual(self.part(key).tone, "good", key)

    def test_a_part_that_cannot_be_reached_is_bad_and_its_secrets_stay_away(self) -> None:
        with patch.object(cache, "set", side_effect=ConnectionError("redis://:password@host")):
            response = self.status()
        self.assertContains(response, "ConnectionError")
        self.assertNotContains(response, "password@host")
        self.assertEqual(response.context["troubles"][0], "bad")

    def test_tables_that_are_out_of_date_are_said(self) -> None:
        self.assertEqual(migrations_left(), [])
        with patch.object(parts, "migrations_left", return_value=[("devices", "0100_more")]):
            part = self.part("database")
        self.assertEqual(part.tone, "bad")
        self.assertIn("1 change of its tables is missing", part.advice)

    def test_a_change_that_was_not_made_yet_is_found(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE app = 'mdm_running'")
        self.assertIn(("mdm_running", "0001_heartbeats"), migrations_left())

    def test_the_storage_is_what_a_worker_last_found(self) -> None:
        self.assertEqual(self.part("storage").word, "Not tried yet")
        probe = Probe.objects.create(name="storage", at=timezone.now(), took_ms=12)
        self.assertEqual(self.part("storage").tone, "good")
        Probe.objects.filter(pk=probe.pk).update(at=timezone.now() - timedelta(hours=2))
        self.assertEqual(self.part("storage").tone, "warn")
        Probe.objects.filter(pk=probe.pk).update(error="PermissionError")
        self.assertEqual(self.part("storage").tone, "bad")

    def test_a_disk_that_fills_up_is_said(self) -> None:
        for free, tone in ((2, "bad"), (7, "warn"), (50, "good")):
            with patch("shutil.disk_usage", return_value=Usage(100, 100 - free, free)):
                self.assertEqual(self.part("disk").tone, tone, free)

    def test_settings_that_lack_something_say_which(self) -> None:
        with override_settings(IS_HTTPS=False, USES_EMBEDDED_KEYS=True, SMS_URL=""):
            tones = {part.key: part.tone for part in self.status().context["parts"]}
        self.assertEqual((tones["https"], tones["keys"], tones["texts"]), ("warn", "info", "info"))
        with override_settings(IS_HTTPS=True, USES_EMBEDDED_KEYS=False, SMS_URL="https://sms.example"):
            tones = {part.key: part.tone for part in self.status().context["parts"]}
        self.assertEqual({tones[key] for key in ("https", "keys", "texts")}, {"good"})


class ProcessesTest(StatusTestCase):
    @override_settings(HEARTBEAT_SECONDS=20)
    def test_processes_are_shown_and_missing_ones_are_missed(self) -> None:
        now = timezone.now()
        make_heartbeat(ProcessKind.WEB, 41, now, host="web-1", version="1.2.3")
        make_heartbeat(ProcessKind.WORKER, 42, now - timedelta(minutes=9), host="worker-1", lanes=4)
        response = self.status()
        for words in (
            "web-1",
            "1.2.3",
            "Alive",
            "Silent",
            "does 4 tasks at a time",
            "No worker is running",
            "9 minutes ago",
        ):
            self.assertContains(response, words)
        self.assertContains(response, "The schedule is not running")

    def test_it_is_said_where_processes_do_not_tell(self) -> None:
        self.assertContains(self.status(), "HEARTBEAT_SECONDS is 0")

    def test_a_task_that_broke_off_is_shown_first(self) -> None:
        now = timezone.now()
        ScheduledRun.objects.create(
            task="mdm.events.tasks.forward_log", started_at=now, finished_at=now, error="OperationalError"
        )
        response = self.status()
        self.assertEqual(response.context["tasks"][0].title, "forward the log")
        self.assertContains(response, "Broke off")
        self.assertContains(response, "OperationalError")


class BacklogTest(StatusTestCase):
    def waiting(self) -> dict[str, str]:
        return {one.key: str(one.number) for one in self.status().context["backlogs"]}

    def test_what_waits_in_the_account_is_counted(self) -> None:
        expected = dict.fromkeys(("pushes", "answers", "devices", "webhooks", "invitations"), "0")
        for account in (self.other_account, self.account):
            self.assertEqual(self.waiting(), expected)
            device = make_device(account)
            Channel.objects.filter(device=device).update(push_due_at=timezone.now())
            make_command(device, state="acknowledged", apply_state="pending", finished_at=timezone.now())
            DueDevice.objects.create(account=account, device=device)
            make_delivery(make_webhook(account))
            make_invitation().__class__.objects.update(account=account)
        self.assertEqual({key: number != "0" for key, number in self.waiting().items()}, dict.fromkeys(expected, True))

    def test_what_waits_for_long_is_late_and_then_stuck(self) -> None:
        device = make_device(self.account)
        for minutes, tone in ((1, "good"), (6, "warn"), (31, "bad")):
            Channel.objects.filter(device=device).update(push_due_at=timezone.now() - timedelta(minutes=minutes))
            pushes = self.status().context["backlogs"][0]
            self.assertEqual((pushes.tone, str(pushes.number)), (tone, "1"), minutes)

    def test_what_is_due_later_does_not_wait(self) -> None:
        device = make_device(self.account)
        Channel.objects.filter(device=device).update(push_due_at=timezone.now() + timedelta(minutes=5))
        self.assertEqual(self.waiting()["pushes"], "0")

    def test_each_number_with_a_list_leads_to_it(self) -> None:
        for one in self.status().context["backlogs"]:
            if one.url:
                self.assertEqual(self.people[Role.ADMIN].get(one.url).status_code, 200, one.url)


class LiveTest(StatusTestCase):
    def test_what_refreshes_itself_is_the_page_without_its_frame(self) -> None:
        response = self.people[Role.ADMIN].get(self.address, {"part": "live"})
        self.assertContains(response, "What is done again and again")
        self.assertNotContains(response, "<html")
        self.assertIn("no-store", response["Cache-Control"])

    def test_the_number_of_statements_does_not_depend_on_what_there_is(self) -> None:
        self.status()
        few = self.statements(1)
        self.assertEqual(self.statements(20), few)
        self.assertLessEqual(few, MOST_STATEMENTS)

    def statements(self, count: int) -> int:
        now = timezone.now()
        for number in range(count):
            device = make_device(self.account)
            Channel.objects.filter(device=device).update(push_due_at=now)
            make_heartbeat(ProcessKind.WEB, 1000 * count + number, now)
            ScheduledRun.objects.create(task=f"task.{count}.{number}", started_at=now, finished_at=now)
        with CaptureQueriesContext(connection) as captured:
            self.status()
        return len(captured)
