"""The commands of a device on its page: one ledger, how each came to its end, taking back and sending again."""

from datetime import timedelta

from django.utils import timezone

from devices.models import Device
from mdm.accounts.models import Role
from mdm.channels.models import Channel
from mdm.commands.models import Command
from tests.admin.base import AdminTestCase
from tests.factories import make_channel, make_command, make_device

CHAIN = [{"ErrorCode": 12021, "ErrorDomain": "MCMDMErrorDomain", "USEnglishDescription": "It is <b>locked</b>."}]


class LedgerCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account, name="Lab iPad")

    def ledger(self, query: str = "", role: Role = Role.READ_ONLY) -> object:
        return self.people[role].get(f"{self.url(Device, 'change', self.device.pk)}?tab=commands{query}")

    def shown(self, query: str = "") -> list[Command]:
        return [line.command for line in self.ledger(query).context["ledger"]]


class LedgerTest(LedgerCase):
    def test_every_command_stands_there_newest_first(self) -> None:
        waiting = make_command(self.device, "SecurityInfo")
        failed = make_command(self.device, "DeviceLock", state="failed")
        user = make_channel(self.device, user_key="KEY", user_short_name="ann", fingerprint="")
        of_user = make_command(user, "ProfileList", state="acknowledged")
        make_command(make_device(self.account), "DeviceLock")
        self.assertEqual(self.shown(), [of_user, failed, waiting])
        self.assertContains(self.ledger(), "for ann")

    def test_it_is_narrowed_to_what_somebody_looks_for(self) -> None:
        made = {
            state: make_command(self.device, "DeviceLock", state=state)
            for state in ("queued", "sent", "acknowledged", "failed", "cancelled", "expired")
        }
        for key, states in (
            ("open", ("sent", "queued")),
            ("done", ("acknowledged",)),
            ("failed", ("expired", "failed")),
            ("cancelled", ("cancelled",)),
            ("nonsense", tuple(reversed(made))),
        ):
            self.assertEqual(self.shown(f"&state={key}"), [made[state] for state in states], key)

    def test_it_is_read_page_by_page(self) -> None:
        made = [make_command(self.device, "SecurityInfo", state="acknowledged") for _ in range(30)]
        first = self.ledger("&state=done")
        self.assertEqual([line.command for line in first.context["ledger"]], made[:4:-1])
        second = self.people[Role.READ_ONLY].get(self.url(Device, "change", self.device.pk) + first.context["older"])
        self.assertEqual([line.command for line in second.context["ledger"]], made[4::-1])
        self.assertEqual((second.context["older"], second.context["newest"]), ("", "?tab=commands&state=done"))
        for nonsense in ("x", "-1", "9" * 40, "%00"):
            self.assertEqual(self.ledger(f"&before={nonsense}").status_code, 200, nonsense)

    def test_an_error_stands_in_the_devices_words(self) -> None:
        make_command(self.device, "DeviceLock", state="failed", status="Error", error_chain=CHAIN)
        self.assertContains(self.ledger(), "It is &lt;b&gt;locked&lt;/b&gt;.")
        make_command(self.device, "InstallProfile", state="failed", apply_error="The profile is gone.")
        self.assertContains(self.ledger(), "The profile is gone.")

    def test_how_often_a_command_was_put_off_is_counted(self) -> None:
        make_command(self.device, "SecurityInfo", status="NotNow", not_now_count=3, not_now_at=timezone.now())
        response = self.ledger()
        for words in ("Not now", "put off 3 times", "3 times, busy or locked", "Taken up again"):
            self.assertContains(response, words)
        # One that was put off before it was counted.
        make_command(self.device, "SecurityInfo", state="acknowledged", not_now_at=timezone.now())
        self.assertContains(self.ledger(), "put off 1 time")

    def test_the_way_of_a_command_is_told_step_by_step(self) -> None:
        now = timezone.now()
        command = make_command(self.device, "SecurityInfo", state="sent", actor_label="ann@acme.example")
        Command.objects.filter(pk=command.pk).update(created_at=now - timedelta(minutes=9), sent_at=now)
        Channel.objects.update(last_push_at=now - timedelta(minutes=5))
        titles = [step.title for step in self.ledger().context["ledger"][0].steps]
        self.assertEqual(titles, ["Queued", "Device woken by push", "Handed to the device", "Waiting for the answer"])
        Command.objects.update(state="failed", status="Error", finished_at=now)
        self.assertEqual(self.ledger().context["ledger"][0].steps[-1].title, "Refused by the device")
        Command.objects.update(state="acknowledged", apply_state="failed", apply_error="Odd.")
        self.assertEqual(
            [step.title for step in self.ledger().context["ledger"][0].steps][-2:],
            ["Done by the device", "The answer could not be read"],
        )

    def test_a_device_that_cannot_be_woken_says_so(self) -> None:
        make_command(self.device, "SecurityInfo")
        Channel.objects.update(push_error="BadDeviceToken")
        self.assertContains(self.ledger(), "BadDeviceToken")
        Channel.objects.update(push_token_dead_at=timezone.now())
        self.assertContains(self.ledger(), "Cannot be woken")

    def test_an_empty_ledger_says_so(self) -> None:
        self.assertContains(self.ledger(), "No command was sent to this device yet")
        self.assertContains(self.ledger("&state=failed"), "No command like that")


class AgainTest(LedgerCase):
    def again(self, command: Command, role: Role = Role.OPERATOR, **data: str) -> object:
        return self.people[role].post(self.url(Command, "again", command.pk), data, follow=True)

    def test_what_came_to_nothing_is_sent_again_as_it_was(self) -> None:
        for state in ("failed", "cancelled", "expired"):
            old = make_command(
                self.device, "InstalledApplicationList", state=state, parameters={"Identifiers": ["com.example.a"]}
            )
            self.assertContains(self.ledger(role=Role.OPERATOR), f"again-{old.pk}")
            response = self.again(old)
            self.assertContains(response, "is sent to Lab iPad again")
            new = Command.objects.latest("pk")
            self.assertEqual((new.state, new.parameters), ("queued", old.parameters))
            self.assertNotEqual(new.command_uuid, old.command_uuid)
            self.assertEqual((new.actor_label, new.source), ("operator@acme.example", "admin ui"))
            old.refresh_from_db()
            self.assertEqual(old.state, state)
        self.assertEqual(len(self.events("command.queued")), 3)
        self.assertIsNotNone(Channel.objects.get().push_due_at)

    def test_secrets_and_an_operators_own_plist_go_along(self) -> None:
        lock = make_command(self.device, "DeviceLock", state="failed", secrets={"/PIN": "123456"})
        self.again(lock, Role.ADMIN, confirmation="Lab iPad")
        self.assertEqual(Command.objects.latest("pk").secrets, {"/PIN": "123456"})
        raw = make_command(self.device, "SomethingNew", state="failed", raw_plist=b"<plist/>")
        self.again(raw, Role.ADMIN, confirmation="Lab iPad")
        self.assertEqual(Command.objects.latest("pk").raw_plist, b"<plist/>")

    def test_what_destroys_asks_for_the_devices_name_again(self) -> None:
        erase = make_command(self.device, "EraseDevice", state="cancelled")
        self.assertContains(self.again(erase, Role.ADMIN), "Type “Lab iPad” to confirm")
        self.assertContains(self.again(erase, Role.ADMIN, confirmation="Lab"), "That is not the name")
        self.assertEqual(Command.objects.count(), 1)
        self.assertEqual(self.again(erase, Role.OPERATOR, confirmation="Lab iPad").status_code, 403)
        self.assertNotContains(self.ledger(role=Role.OPERATOR), f"again-{erase.pk}")
        self.again(erase, Role.ADMIN, confirmation="Lab iPad")
        self.assertEqual(Command.objects.count(), 2)

    def test_what_is_under_way_done_or_followed_elsewhere_is_not(self) -> None:
        for request_type, fields, words in (
            ("SecurityInfo", {"state": "queued"}, "Only what failed"),
            ("SecurityInfo", {"state": "acknowledged"}, "Only what failed"),
            ("InstallProfile", {"state": "failed", "parameters": {"Recipe": "profile", "profile": 1}}, "Profiles"),
            ("SetAutoAdminPassword", {"state": "failed"}, "change it under Security"),
        ):
            command = make_command(self.device, request_type, **fields)
            self.assertContains(self.again(command, Role.ADMIN, confirmation="Lab iPad"), words)
            self.assertNotContains(self.ledger(role=Role.ADMIN), f"again-{command.pk}")
            command.delete()
        self.assertFalse(Command.objects.exists())

    def test_a_device_that_has_left_gets_nothing(self) -> None:
        command = make_command(self.device, "SecurityInfo", state="failed")
        Channel.objects.update(state="closed")
        self.assertContains(self.again(command), "not enrolled any more")
        self.assertEqual(Command.objects.count(), 1)

    def test_readers_and_strangers_send_nothing(self) -> None:
        command = make_command(self.device, "SecurityInfo", state="failed")
        self.assertEqual(self.again(command, Role.READ_ONLY).status_code, 403)
        self.assertNotContains(self.ledger(), "<form method")
        self.assertEqual(self.outside.post(self.url(Command, "again", command.pk)).status_code, 404)
        self.assertEqual(Command.objects.count(), 1)


class LocationTest(LedgerCase):
    def tab(self, role: Role = Role.READ_ONLY) -> object:
        return self.people[role].get(f"{self.url(Device, 'change', self.device.pk)}?tab=location")

    def test_the_last_place_has_links_to_maps_and_asks_none(self) -> None:
        at = (timezone.now() - timedelta(hours=2)).isoformat()
        self.device.location = {"latitude": "52.52", "longitude": "13.405", "accuracy": "65", "at": at}
        self.device.save()
        response = self.tab()
        for words in ("52.52, 13.405", "within 65 m", "2 hours ago", "mlat=52.52&amp;mlon=13.405", 'rel="noopener'):
            self.assertContains(response, words)
        for tag in ("<iframe", '<img src="http', '<script src="http'):
            self.assertNotContains(response, tag)
        self.device.location["accuracy"] = ""
        self.device.save()
        self.assertContains(self.tab(), "does not know how exact")

    def test_without_a_place_it_says_how_one_gets_there(self) -> None:
        self.assertContains(self.tab(), "in Lost Mode only")
        self.assertContains(self.tab(Role.OWNER), "lost-EnableLostMode")
        self.device.information = {"IsMDMLostModeEnabled": True}
        self.device.save()
        self.assertContains(self.tab(Role.OPERATOR), "lost-DeviceLocation")
        self.assertNotContains(self.tab(), "lost-DeviceLocation")

    def test_a_device_that_cannot_be_lost_says_why(self) -> None:
        Device.objects.update(is_supervised=False)
        self.assertContains(self.tab(Role.OWNER), "Needs a supervised device.")
