"""The home page: what needs attention, what there is and how it is going, each number leading to the list behind it."""

import re
from collections.abc import Iterator
from datetime import timedelta

from django.contrib.staticfiles import finders
from django.db import connection
from django.http import HttpResponse
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from devices.models import Device, DeviceState, ItemState, ProfileInstall
from enrollment.models import IdentityCertificate
from enrollment.services.ca import issue
from mdm.accounts.models import Role
from mdm.admin_home import failing
from mdm.admin_home.expiries import Expiry
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.common import certs
from mdm.common.counts import Number, count_up_to
from mdm.running.models import Heartbeat, ProcessKind
from tests.admin.base import AdminTestCase, make_rows
from tests.factories import (
    make_app,
    make_app_install,
    make_command,
    make_content_token,
    make_dep_server,
    make_device,
    make_event,
    make_profile,
)
from tests.mdm.push.certificates import make_push_certificate

LOGIN = "/admin/login/"
MOST_STATEMENTS = 30


class HomeTestCase(AdminTestCase):
    def home(self, role: Role = Role.READ_ONLY) -> HttpResponse:
        return self.people[role].get(reverse("admin:index"))

    def context(self, name: str) -> object:
        return self.home().context[name]

    def listed(self, url: str) -> set[Device]:
        """The devices of the list that a number leads to."""
        response = self.people[Role.READ_ONLY].get(url)
        self.assertEqual(response.status_code, 200, url)
        return set(response.context["cl"].result_list)


class NumbersTest(HomeTestCase):
    def numbers(self) -> dict[str, str]:
        response = self.home()
        states = {item.label: str(item.number) for item in response.context["states"]}
        return states | {figure.title: str(figure.number) for figure in response.context["figures"]}

    def test_the_numbers_are_those_of_the_account(self) -> None:
        device = make_device(self.account)
        make_device(self.account, enrolled=False)
        make_device(self.account, removed_at=timezone.now())
        make_device(self.other_account)
        make_command(device, "SecurityInfo")
        make_command(device, "DeviceLock", state="failed", finished_at=timezone.now())
        make_command(device, "DeviceLock", state="failed", finished_at=timezone.now() - timedelta(days=2))
        expected = {
            "Enrolled": "1",
            "Awaiting enrollment": "1",
            "Unenrolled": "0",
            "Commands waiting": "1",
            "Failed in 24 hours": "1",
        }
        self.assertEqual(self.numbers(), expected)

    def test_commands_that_were_handed_out_wait_too(self) -> None:
        device = make_device(self.account)
        make_command(device, "SecurityInfo", state="sent")
        make_command(device, "SecurityInfo")
        figure = self.context("figures")[0]
        self.assertEqual(str(figure.number), "2")
        shown = self.people[Role.READ_ONLY].get(figure.url).context["cl"].result_list
        self.assertEqual(set(shown), set(Command.objects.for_account(self.account)))

    def test_what_failed_leads_to_what_failed_in_the_same_time(self) -> None:
        device = make_device(self.account)
        lately = make_command(device, state="failed", finished_at=timezone.now())
        make_command(device, state="failed", finished_at=timezone.now() - timedelta(days=2))
        figure = self.context("figures")[1]
        shown = self.people[Role.READ_ONLY].get(figure.url).context["cl"].result_list
        self.assertEqual(list(shown), [lately])

    def test_every_state_leads_to_its_devices(self) -> None:
        for state in DeviceState.values:
            make_device(self.account, enrolled=False, state=state)
        for item in self.context("states"):
            devices = self.listed(item.url)
            self.assertEqual(len(devices), item.number, item.url)

    def test_platforms_count_enrolled_devices_and_lead_to_them(self) -> None:
        for platform in ("iOS", "iOS", "macOS", "tvOS"):
            make_device(self.account, platform=platform)
        make_device(self.account, enrolled=False, state=DeviceState.UNENROLLED, platform="iOS")
        shown = {one.item.label: one.item for one in self.context("platforms")}
        self.assertEqual(
            {label: item.number for label, item in shown.items()}, {"iPhone and iPad": 2, "Mac": 1, "Apple TV": 1}
        )
        for item in shown.values():
            self.assertEqual(len(self.listed(item.url)), item.number, item.url)

    def test_versions_are_sorted_as_numbers_and_the_oldest_are_put_together(self) -> None:
        versions = ["9.3", "17.10", "17.9", "18.0", "16.1", "15.0", "12.4", "18.1"]
        devices = {version: make_device(self.account, os_version=version) for version in versions}
        make_device(self.account, os_version="9.3")
        bars = self.context("platforms")[0].versions
        labels = [bar.item.label for bar in bars]
        self.assertEqual(labels, ["18.1", "18.0", "17.10", "17.9", "16.1", "15.0", "Older"])
        self.assertEqual([bar.item.number for bar in bars], [1, 1, 1, 1, 1, 1, 3])
        self.assertEqual(self.listed(bars[2].item.url), {devices["17.10"]})
        self.assertEqual(len(self.listed(bars[-1].item.url)), 3)

    def test_enrollments_are_counted_by_day_and_lead_to_those_of_the_day(self) -> None:
        today = make_device(self.account, enrolled_at=timezone.now())
        for days in (3, 3, 29, 31):
            make_device(self.account, enrolled_at=timezone.now() - timedelta(days=days))
        days = self.context("days")
        numbers = [day.bar.item.number for day in days]
        self.assertEqual((len(numbers), numbers[-1], numbers[-4], numbers[0], sum(numbers)), (30, 1, 2, 1, 4))
        self.assertEqual(self.listed(days[-1].bar.item.url), {today})
        self.assertIn("1 device enrolled on", days[-1].words)

    def test_a_number_is_counted_up_to_a_bound_only(self) -> None:
        for _ in range(3):
            make_device(self.account)
        rows = Device.objects.for_account(self.account)
        self.assertEqual([str(count_up_to(rows, most)) for most in (2, 3)], ["2+", "3"])
        self.assertEqual((str(Number(12_000)), bool(Number(0))), ("12,000", False))

    def test_the_newest_lines_are_of_the_account(self) -> None:
        make_rows(self.account)
        make_rows(self.other_account)
        lines = self.context("lines")
        self.assertTrue(lines)
        self.assertEqual({line[0].account for line in lines}, {self.account})


class FailingTest(HomeTestCase):
    def fail(self, profile: object, count: int, **fields: object) -> list[Device]:
        devices = [make_device(self.account) for _ in range(count)]
        for device in devices:
            values = {"account": self.account, "state": ItemState.FAILED, "version": 1, **fields}
            ProfileInstall.objects.create(profile=profile, device=device, **values)
        return devices

    def test_the_worst_is_first_and_leads_to_its_devices(self) -> None:
        bad, worse, fine = (make_profile(self.account, name=name) for name in ("Wi-Fi", "Mail", "Dock"))
        self.fail(bad, 1)
        devices = self.fail(worse, 2)
        self.fail(fine, 1, state=ItemState.INSTALLED)
        app = make_app(self.account, name="Numbers")
        for _ in range(3):
            make_app_install(app, make_device(self.account), state=ItemState.FAILED)
        shown = self.context("failing")
        self.assertEqual([one.bar.item.label for one in shown], ["Numbers", "Mail", "Wi-Fi"])
        self.assertEqual([one.devices for one in shown], ["3 devices", "2 devices", "1 device"])
        self.assertEqual([one.kind for one in shown], ["App", "Profile", "Profile"])
        for device in devices:
            self.assertContains(self.people[Role.READ_ONLY].get(shown[1].bar.item.url), device.name)

    def test_a_mac_counts_once_for_all_of_its_users_and_one_that_left_not_at_all(self) -> None:
        profile = make_profile(self.account)
        mac = self.fail(profile, 1)[0]
        ProfileInstall.objects.create(
            account=self.account, profile=profile, device=mac, user_key="anna", state=ItemState.FAILED, version=1
        )
        left = self.fail(profile, 1)[0]
        Device.objects.filter(pk=left.pk).update(state=DeviceState.UNENROLLED)
        self.assertEqual([one.devices for one in self.context("failing")], ["1 device"])

    def test_what_only_devices_that_left_refused_is_not_shown(self) -> None:
        self.fail(make_profile(self.account), 1)
        Device.objects.update(state=DeviceState.UNENROLLED)
        self.assertEqual(self.context("failing"), [])
        self.assertContains(self.home(), "No device refuses a profile or an app.")

    def test_another_accounts_trouble_is_not_shown(self) -> None:
        device = make_device(self.other_account)
        profile = make_profile(self.other_account)
        ProfileInstall.objects.create(
            account=self.other_account, profile=profile, device=device, state=ItemState.FAILED, version=1
        )
        make_device(self.account)
        self.assertEqual(self.context("failing"), [])

    def test_many_devices_are_said_in_round_numbers(self) -> None:
        self.assertEqual(
            [failing.words(number) for number in (1, 500, 501, 2_449, 10_001)],
            ["1 device", "500 devices", "about 500 devices", "about 2,400 devices", "10,000+ devices"],
        )


class EndingsTest(HomeTestCase):
    def test_everything_that_ends_is_listed_with_the_days_left_the_first_one_first(self) -> None:
        now = timezone.now()
        make_rows(self.account)
        token = make_content_token(self.account, expires_at=now + timedelta(days=3, hours=1))
        make_dep_server(self.account, name="School", token_expires_at=now + timedelta(days=20, hours=1))
        shown = self.context("expiries")
        self.assertEqual([one.ends_at for one in shown], sorted(one.ends_at for one in shown))
        by_name = {one.name: one for one in shown}
        self.assertEqual((by_name[str(token)].words, by_name[str(token)].tone), ("3 days left", "bad"))
        self.assertEqual((by_name["School"].words, by_name["School"].tone), ("20 days left", "warn"))
        self.assertEqual(
            {one.what for one in shown},
            {
                "Push certificate",
                "Certificate authority of the devices",
                "Token of a DEP server",
                "Content token",
                "Installer certificate",
                "Trusted CA",
            },
        )

    def test_each_leads_to_where_it_is_renewed(self) -> None:
        make_rows(self.account)
        for one in self.context("expiries"):
            self.assertEqual(self.people[Role.OWNER].get(one.url).status_code, 200, one.url)

    def test_an_end_is_said_in_words(self) -> None:
        now = timezone.now()
        words = [Expiry("key", "what", "", now, days, "").words for days in (-1, 0, 1, 364, 3_649)]
        self.assertEqual(words, ["Expired", "Ends today", "1 day left", "364 days left", "9 years left"])

    def test_devices_that_do_not_renew_their_certificate_are_counted(self) -> None:
        key = certs.new_rsa_key().public_key()
        late, fresh = (issue(self.account, key, device=make_device(self.account)) for _ in range(2))
        replaced = issue(self.account, key, device=late.device)
        for identity in (late, fresh):
            Channel.objects.filter(device=identity.device).update(fingerprint=identity.fingerprint)
        soon = timezone.now() + timedelta(days=5)
        IdentityCertificate.objects.filter(pk__in=(late.pk, replaced.pk)).update(not_after=soon)
        found = self.context("identities")
        self.assertEqual(str(found.number), "1")
        self.assertContains(self.home(), "1 device has not renewed its certificate")
        self.assertEqual(self.listed(found.url), {late})


class AlertsTest(HomeTestCase):
    def titles(self) -> str:
        return ", ".join(alert.title for alert in self.context("alerts"))

    def test_what_needs_attention_is_said(self) -> None:
        make_device(self.account)
        Channel.objects.update(push_token_dead_at=timezone.now())
        with override_settings(IS_HTTPS=False, BASE_URL="http://mdm.example", USES_EMBEDDED_KEYS=True):
            response = self.home()
        for words in ("No push certificate", "1 device cannot be woken", "Real devices need HTTPS", "data directory"):
            self.assertContains(response, words)
        with override_settings(IS_HTTPS=True, USES_EMBEDDED_KEYS=False):
            response = self.home()
        for words in ("Real devices need HTTPS", "data directory"):
            self.assertNotContains(response, words)

    def test_what_is_gravest_is_first(self) -> None:
        make_device(self.account)
        make_push_certificate(self.account, not_after=timezone.now() - timedelta(days=1))
        with override_settings(IS_HTTPS=False, USES_EMBEDDED_KEYS=True):
            tones = [alert.tone for alert in self.context("alerts")]
        self.assertEqual(tones, sorted(tones, key=("bad", "warn", "info").index))
        self.assertEqual(tones[0], "bad")

    def test_devices_of_another_topic_are_told_to_enroll_again(self) -> None:
        reached, unreached = make_device(self.account), make_device(self.account)
        make_device(self.other_account)
        certificate = make_push_certificate(self.account, topic=reached.device_channel.topic)
        self.assertNotIn("must enroll again", self.titles())
        Channel.objects.filter(device=unreached).update(topic="com.apple.mgmt.External.before")
        self.assertIn("1 device must enroll again", self.titles())
        certificate.delete()
        self.assertIn("No push certificate", self.titles())

    def test_that_no_worker_lives_is_said_as_long_as_none_does(self) -> None:
        now = timezone.now()
        for kind in ProcessKind:
            Heartbeat.objects.create(
                kind=kind, host="here", pid=ProcessKind.values.index(kind) + 1, started_at=now, heard_at=now
            )
        with override_settings(HEARTBEAT_SECONDS=20):
            self.assertNotIn("heard of", self.titles())
            Heartbeat.objects.filter(kind=ProcessKind.WORKER).update(heard_at=now - timedelta(minutes=7))
            self.assertIn("No worker has been heard of for 7 minutes", self.titles())
            self.assertContains(self.home(Role.ADMIN), reverse("admin:system_status"))
            Heartbeat.objects.update(heard_at=now - timedelta(hours=3))
            self.assertIn("The schedule has not been heard of for 3 hours", self.titles())
            Heartbeat.objects.all().delete()
            self.assertIn("No worker is running", self.titles())
        self.assertNotIn("worker", self.titles())  # nobody is asked to tell that it is alive

    def test_a_restart_is_no_alarm(self) -> None:
        now = timezone.now()
        moments_ago = now - timedelta(seconds=90)
        for number, kind in enumerate(ProcessKind):
            Heartbeat.objects.create(kind=kind, host="here", pid=number + 1, started_at=now, heard_at=moments_ago)
        with override_settings(HEARTBEAT_SECONDS=20):
            self.assertNotIn("heard of", self.titles())


class LiveTest(HomeTestCase):
    def test_the_part_that_refreshes_itself_is_the_page_without_its_frame(self) -> None:
        make_device(self.account)
        response = self.people[Role.READ_ONLY].get(reverse("admin:home_live"))
        self.assertContains(response, "Enrolled in the last 30 days")
        self.assertNotContains(response, "<html")
        self.assertIn("no-store", response["Cache-Control"])
        self.assertContains(self.home(), f'hx-get="{reverse("admin:home_live")}"')

    def test_it_shows_what_has_changed(self) -> None:
        url = reverse("admin:home_live")
        self.assertContains(self.people[Role.READ_ONLY].get(url), "Enroll the first device")
        make_device(self.account)
        self.assertNotContains(self.people[Role.READ_ONLY].get(url), "Enroll the first device</h3>")

    def test_nobody_sees_it_without_an_account_or_signing_in(self) -> None:
        url = reverse("admin:home_live")
        self.assertEqual(self.nobody.get(url).status_code, 302)
        make_device(self.account, name="Reception iPad")
        make_event(self.account, device=Device.objects.get())
        self.assertNotContains(self.outside.get(url), "Reception iPad")

    def test_links_have_names_so_that_the_focus_stays_where_it_is(self) -> None:
        make_rows(self.account)
        text = self.people[Role.OWNER].get(reverse("admin:home_live")).content.decode()
        ids = re.findall(r' id="([^"]+)"', text)
        self.assertEqual(len(ids), len(set(ids)))
        reached = [tag for tag in re.findall(r"<a [^>]*>", text) if "tabindex" not in tag]
        nameless = [tag for tag in reached if " id=" not in tag and "/mdm_events/event/" not in tag]
        self.assertEqual(nameless, [])

    def test_the_number_of_statements_does_not_depend_on_what_there_is(self) -> None:
        url = reverse("admin:home_live")
        self.people[Role.OWNER].get(url)  # the first page of a session notes where it is used
        few, many = self.statements(url, 1), self.statements(url, 20)
        self.assertEqual(few, many)
        self.assertLessEqual(few, MOST_STATEMENTS)

    def statements(self, url: str, count: int) -> int:
        for _ in range(count):
            device = make_device(self.account)
            make_command(device, state="failed", finished_at=timezone.now())
            make_event(self.account, device=device)
            make_dep_server(self.account)
            make_content_token(self.account)
            profile = make_profile(self.account)
            ProfileInstall.objects.create(
                account=self.account, profile=profile, device=device, state=ItemState.FAILED, version=1
            )
            make_app_install(make_app(self.account), device, state=ItemState.FAILED)
        with CaptureQueriesContext(connection) as captured:
            self.assertEqual(self.people[Role.OWNER].get(url).status_code, 200)
        return len(captured)


class FrameTest(HomeTestCase):
    def test_the_pages_of_single_packages_lead_home(self) -> None:
        self.assertRedirects(self.people[Role.OWNER].get("/admin/devices/"), reverse("admin:index"))

    def test_no_page_names_another_host(self) -> None:
        for url, text in self.pages():
            loaded = re.findall(r'(?:src|href)="(https?:)?//([^"]+)"', text)
            self.assertEqual(loaded, [], url)

    def pages(self) -> Iterator[tuple[str, str]]:
        rows = make_rows(self.account)
        urls = [LOGIN, reverse("admin:index"), reverse("admin:system_status")]
        urls += [self.url(model, "change", rows[model].pk) for model in self.MODELS]
        for url in urls:
            yield url, self.people[Role.OWNER].get(url, follow=True).content.decode()

    def test_our_own_styles_and_scripts_name_no_other_host(self) -> None:
        for name in ("css/admin.css", "css/home.css", "js/admin.js", "js/live.js", "img/pomona.svg"):
            with open(finders.find(name)) as file:
                text = file.read().replace("http://www.w3.org/2000/svg", "")
            self.assertNotIn("http", text, name)
