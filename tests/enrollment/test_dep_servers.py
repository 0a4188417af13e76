"""Naming, renewing and removing DEP servers, and warnings before their tokens run out."""

from datetime import UTC, datetime, timedelta
from unittest.mock import patch

from django.utils import timezone

from devices.models import Device, DeviceState
from enrollment.models import DepDevice, DepServer, DepSettings
from enrollment.services import dep_watch
from enrollment.services.dep import add_server, remove_server, rename_server, renew_server
from enrollment.services.dep_assign import assign_due, claim
from enrollment.services.dep_sync import claim as claim_server
from enrollment.services.dep_sync import sync, sync_due
from enrollment.services.dep_tokens import make_key, newest_key
from enrollment.services.dep_watch import standing, warn_expiring_tokens
from enrollment.services.errors import EnrollmentError
from mdm.accounts.actors import SYSTEM
from mdm.common.leases import TakenOver
from mdm.events.models import Event, Level
from tests.enrollment.dep_base import DepCase, facts
from tests.enrollment.test_dep_tokens import token_file
from tests.factories import make_account, make_dep_device, make_dep_key, make_dep_server, make_dep_settings
from tests.fakes.dep import CONSUMER, token_message


class RenameTest(DepCase):
    def test_a_new_name_is_stored_and_logged_once(self) -> None:
        rename_server(self.server, "iPhones", SYSTEM)
        rename_server(self.server, "iPhones", SYSTEM)
        self.server.refresh_from_db()
        self.assertEqual(self.server.name, "iPhones")
        self.assertEqual([one["name"] for one in facts("dep_server.renamed")], ["iPhones"])

    def test_a_name_is_needed(self) -> None:
        for name in ("", "x" * 201):
            with self.assertRaises(EnrollmentError):
                rename_server(self.server, name, SYSTEM)


class RenewTest(DepCase):
    def setUp(self) -> None:
        super().setUp()
        self.key = make_key(self.account, SYSTEM)

    def test_the_server_keeps_its_name_and_what_it_knows(self) -> None:
        DepServer.objects.update(cursor="00ff", sync_error="old", sync_attempts=3)
        until = datetime.now(UTC) + timedelta(days=500)
        renew_server(self.server, token_file(self.key, token_message(expires_at=until)), SYSTEM)
        self.server.refresh_from_db()
        self.assertEqual((self.server.name, self.server.cursor, self.server.sync_error), ("Phones", "00ff", ""))
        self.assertEqual(self.server.token_expires_at.date(), until.date())
        self.assertLessEqual(self.server.sync_due_at, timezone.now())
        self.assertEqual(len(facts("dep_server.renewed")), 1)

    def test_the_token_of_another_server_is_refused(self) -> None:
        with self.assertRaisesMessage(EnrollmentError, "belongs to another server"):
            renew_server(self.server, token_file(self.key, token_message(consumer_key="CK_other")), SYSTEM)

    def test_settings_that_failed_for_the_old_token_are_tried_at_once(self) -> None:
        later = timezone.now() + timedelta(hours=2)
        make_dep_settings(self.server, attempts=5, error="expired", due_at=later)
        renew_server(self.server, token_file(self.key), SYSTEM)
        settings = DepSettings.objects.get()
        self.assertEqual((settings.attempts, settings.error), (0, ""))
        self.assertLessEqual(settings.due_at, timezone.now())

    def test_the_newest_key_is_the_one_to_upload(self) -> None:
        newer = make_dep_key(self.account)
        make_dep_key(make_account())
        self.assertEqual(newest_key(self.account), newer)
        self.assertIsNone(newest_key(make_account()))


class RemoveTest(DepCase):
    def setUp(self) -> None:
        super().setUp()
        self.names = self.dep.assign(3)
        self.sync()
        make_dep_settings(self.server)
        self.assign()
        Device.objects.filter(serial_number=self.names[0]).update(
            state=DeviceState.ENROLLED, enrolled_at=timezone.now()
        )

    def remove(self) -> None:
        remove_server(self.server, SYSTEM)
        sync_due()

    def test_it_is_in_no_list_at_once(self) -> None:
        remove_server(self.server, SYSTEM)
        self.assertFalse(DepServer.objects.for_account(self.account).exists())
        self.assertEqual(len(facts("dep_server.removed")), 1)

    def test_the_list_goes_and_enrolled_devices_stay(self) -> None:
        other = make_dep_device(make_dep_server(self.account))
        self.remove()
        self.assertFalse(DepServer.objects.filter(pk=self.server.pk).exists())
        self.assertEqual(list(DepDevice.objects.all()), [other])
        self.assertFalse(DepSettings.objects.exists())
        self.assertEqual([one.serial_number for one in Device.objects.all()], [self.names[0]])

    def test_the_settings_are_taken_back_at_apple(self) -> None:
        self.remove()
        self.assertEqual({one["profile_uuid"] for one in self.dep.devices.values()}, {""})
        self.assertEqual(facts("dep_settings.taken_back")[0]["devices"], 3)

    def test_if_apple_cannot_be_asked_the_log_says_that_they_stay_there(self) -> None:
        DepServer.objects.update(token_expires_at=timezone.now() - timedelta(days=1))
        self.remove()
        self.assertFalse(DepServer.objects.filter(pk=self.server.pk).exists())
        event = Event.objects.get(event_type="dep_settings.left_at_apple")
        self.assertEqual(event.level, Level.WARNING)
        self.assertIn("expired on", event.metadata["reason"])

    def test_a_short_outage_at_apple_is_waited_for(self) -> None:
        self.dep.fail("/profile/devices", 503)
        self.remove()
        self.assertTrue(DepServer.objects.filter(pk=self.server.pk).exists())
        DepServer.objects.update(sync_due_at=timezone.now())
        sync_due()
        self.assertFalse(DepServer.objects.filter(pk=self.server.pk).exists())
        self.assertEqual({one["profile_uuid"] for one in self.dep.devices.values()}, {""})

    def test_a_long_one_is_not(self) -> None:
        remove_server(self.server, SYSTEM)
        for _ in range(6):
            self.dep.fail("/profile/devices", 503)
            DepServer.objects.update(sync_due_at=timezone.now())
            sync_due()
        self.assertFalse(DepServer.objects.filter(pk=self.server.pk).exists())
        self.assertEqual(len(facts("dep_settings.left_at_apple")), 1)

    def test_removing_twice_is_removing_once(self) -> None:
        remove_server(self.server, SYSTEM)
        remove_server(self.server, SYSTEM)
        self.assertEqual(len(facts("dep_server.removed")), 1)

    def test_a_sync_under_way_loses_it(self) -> None:
        DepServer.objects.update(sync_due_at=timezone.now())
        claimed = claim_server()
        remove_server(self.server, SYSTEM)
        with self.assertRaises(TakenOver):
            sync(claimed, until=float("inf"))
        self.assertEqual(sync_due(), 1)
        self.assertFalse(DepServer.objects.filter(pk=self.server.pk).exists())

    def test_settings_of_a_removed_server_are_nobodys_work(self) -> None:
        remove_server(self.server, SYSTEM)
        DepSettings.objects.update(due_at=timezone.now())
        self.assertIsNone(claim())
        self.assertEqual(assign_due(), 0)

    def test_its_token_added_again_brings_it_back(self) -> None:
        remove_server(self.server, SYSTEM)
        key = make_key(self.account, SYSTEM)
        again = add_server(self.account, token_file(key), name="Back", actor=SYSTEM)
        self.assertEqual((again.pk, again.removed_at), (self.server.pk, None))
        sync_due()
        self.assertEqual(self.server.dep_devices.count(), 3)
        self.assertEqual(facts("dep_server.created")[-1]["name"], "Back")


class ExpiryTest(DepCase):
    def expire_in(self, **length: float) -> None:
        DepServer.objects.update(token_expires_at=timezone.now() + timedelta(**length))

    def test_each_mark_is_one_line(self) -> None:
        end = self.server.token_expires_at
        counts = []
        for days in (40, 29, 20, 13, 6, 1, 0):
            with patch.object(dep_watch.timezone, "now", return_value=end - timedelta(days=days, hours=1)):
                counts.append(warn_expiring_tokens())
                self.assertEqual(warn_expiring_tokens(), 0)
        self.assertEqual(counts, [0, 1, 0, 1, 1, 1, 0])
        self.assertEqual([one["mark_days"] for one in facts("dep_server.token_expiring")], [30, 14, 7, 1])

    def test_the_last_week_is_an_error(self) -> None:
        for days, level in ((29, Level.WARNING), (6, Level.ERROR)):
            self.expire_in(days=days)
            warn_expiring_tokens()
            self.assertEqual(Event.objects.filter(event_type="dep_server.token_expiring").last().level, level)

    def test_servers_that_are_removed_or_good_are_not_named(self) -> None:
        self.assertEqual(warn_expiring_tokens(), 0)
        self.expire_in(days=1)
        DepServer.objects.update(removed_at=timezone.now())
        self.assertEqual(warn_expiring_tokens(), 0)

    def test_how_it_stands_in_words(self) -> None:
        self.assertEqual(standing(self.server)[0], "waiting")
        self.assertEqual(standing(self.sync())[0], "valid")
        self.dep.fail("/session", 403, b"T_C_NOT_SIGNED")
        self.assertEqual(standing(self.sync())[0], "terms")
        self.dep.fail("/session", 500)
        self.assertEqual(standing(self.sync())[0], "failing")
        self.sync()
        self.expire_in(days=10)
        self.server.refresh_from_db()
        self.assertIn("expires in 9 days", standing(self.server)[1])
        self.expire_in(days=-1)
        self.server.refresh_from_db()
        self.assertEqual(standing(self.server)[0], "expired")

    def test_it_names_no_secret(self) -> None:
        self.expire_in(days=3)
        warn_expiring_tokens()
        self.assertNotIn(CONSUMER[1], str(facts("dep_server.token_expiring")))
