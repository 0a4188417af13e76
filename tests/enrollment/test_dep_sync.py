"""Syncing against the fake service: whole lists, changes, what breaks in the middle, and several workers."""

import time
from datetime import timedelta
from unittest.mock import patch

from django.db import connection
from django.test import TransactionTestCase, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Device, DeviceState
from enrollment.dep_client import DepClient
from enrollment.models import DepDevice, DepServer
from enrollment.services import dep_sync
from enrollment.services.dep import request_sync
from enrollment.services.dep_pages import apply_page
from enrollment.services.dep_sync import EVERY, claim, retry_seconds, sync, sync_due
from enrollment.tasks import sync_dep_servers
from mdm.accounts.actors import SYSTEM
from mdm.common.leases import LEASE, TakenOver
from mdm.events.models import Event
from tests.enrollment.dep_base import TOKEN, DepCase, facts
from tests.factories import make_account, make_dep_device, make_dep_server, make_device
from tests.fakes.dep import FakeDep


class DepSyncCase(DepCase):
    def serials(self) -> set[str]:
        return set(DepDevice.objects.filter(server=self.server).values_list("serial_number", flat=True))


class FirstSyncTest(DepSyncCase):
    def test_5000_devices_then_changes_with_deletions(self):
        names = self.dep.assign(5000)
        server = self.sync()
        self.assertEqual((server.sync_error, server.sync_attempts), ("", 0))
        self.assertEqual(self.serials(), set(names))
        self.assertEqual(Event.objects.filter(event_type="abm.device.added").count(), 5000)
        self.assertEqual(facts("dep_server.synced")[-1]["added"], 5000)
        self.assertEqual(self.dep.count("/server/devices"), 5)
        kept = DepDevice.objects.get(serial_number=names[7]).pk

        self.dep.release(*names[:3])
        self.dep.modify(names[7], profile_status="assigned", profile_uuid="AB12", color="RED")
        new = self.dep.assign(2, model="Mac mini")
        self.sync()
        self.assertEqual(self.serials(), {*names[3:], *new})
        changed = DepDevice.objects.get(serial_number=names[7])
        self.assertEqual((changed.pk, changed.profile_status, changed.color), (kept, "assigned", "RED"))
        self.assertEqual([f["serial_number"] for f in facts("abm.device.removed")], names[:3])
        added = {"serial_number": new[0], "model": "Mac mini", "dep_server_id": self.server.pk}
        self.assertIn(added, facts("abm.device.added"))
        self.assertEqual(
            facts("dep_server.synced")[-1],
            {"name": "Phones", "dep_server_id": self.server.pk, "added": 2, "removed": 3, "whole_list": False},
        )
        self.assertEqual((self.dep.count("/server/devices"), self.dep.count("/devices/sync")), (5, 1))

    def test_what_apple_says_of_the_account_is_kept(self):
        server = self.sync()
        self.assertEqual((server.server_name, server.organization_name), ("Fake MDM server", "Example Inc"))
        self.assertEqual((server.server_uuid, server.admin_id), (self.dep.account["server_uuid"], "admin@example.com"))
        self.assertEqual(server.organization["org_type"], "org")
        self.assertEqual(server.name, "Phones")

    def test_every_field_of_a_device_is_kept(self):
        (name,) = self.dep.assign(
            1,
            asset_tag="A-7",
            profile_uuid="AB12",
            profile_assign_time="2024-02-03T04:05:06Z",
            profile_push_time="never",
        )
        self.sync()
        device = DepDevice.objects.get()
        self.assertEqual((device.account, device.serial_number, device.model), (self.account, name, "iPhone 14"))
        self.assertEqual((device.asset_tag, device.os, device.device_family), ("A-7", "iOS", "iPhone"))
        self.assertEqual(device.profile_assign_time.isoformat(), "2024-02-03T04:05:06+00:00")
        self.assertIsNone(device.profile_push_time)
        self.assertEqual(device.device_assigned_by, "admin@example.com")

    def test_the_next_one_is_due_in_two_hours(self):
        before = timezone.now()
        server = self.sync()
        self.assertGreaterEqual(server.sync_due_at, before + EVERY)
        self.assertLess(server.sync_due_at, timezone.now() + EVERY + timedelta(seconds=1))
        self.assertGreaterEqual(server.last_synced_at, before)
        self.assertIsNone(server.sync_started_at)
        self.assertEqual(sync_due(), 0)

    def test_the_log_of_a_serial_number_tells_it(self):
        (name,) = self.dep.assign(1)
        self.sync()
        kinds = Event.objects.filter(serial_number=name).order_by("pk").values_list("event_type", flat=True)
        self.assertEqual(list(kinds), ["abm.device.added", "device.created"])

    def test_the_account_and_servers_beside_it_are_left_alone(self):
        other = make_dep_device(make_dep_server(self.account))
        foreign = make_dep_device()
        self.dep.assign(1)
        self.sync()
        self.assertEqual(DepDevice.objects.filter(pk__in=[other.pk, foreign.pk]).count(), 2)

    def test_the_task_syncs_all_that_are_due_and_none_else(self):
        later = make_dep_server(self.account, sync_due_at=timezone.now() + timedelta(minutes=1))
        make_dep_server(self.account)
        second = make_dep_server(make_account(), **TOKEN, sync_due_at=timezone.now())
        DepServer.objects.filter(pk=self.server.pk).update(sync_due_at=timezone.now())
        self.assertEqual(sync_dep_servers(), 2)
        done = DepServer.objects.exclude(last_synced_at=None).values_list("pk", flat=True)
        self.assertEqual(set(done), {self.server.pk, second.pk})
        later.refresh_from_db()
        self.assertIsNone(later.last_synced_at)


class ChangesTest(DepSyncCase):
    def setUp(self):
        super().setUp()
        self.names = self.dep.assign(5)
        self.sync()
        Event.objects.all().delete()

    def test_nothing_new(self):
        self.sync()
        self.assertEqual((facts("abm.device.added"), facts("abm.device.removed")), ([], []))
        self.assertEqual(len(facts("dep_server.synced")), 1)

    def test_the_last_word_on_a_device_counts(self):
        self.dep.release(self.names[0])
        self.dep.restore(self.names[0], color="GOLD")
        (fleeting,) = self.dep.assign(1)
        self.dep.release(fleeting)
        self.sync()
        self.assertEqual(self.serials(), set(self.names))
        self.assertEqual(DepDevice.objects.get(serial_number=self.names[0]).color, "GOLD")
        self.assertEqual((facts("abm.device.added"), facts("abm.device.removed")), ([], []))

    def test_the_date_decides_when_apple_names_a_device_twice(self):
        early, late = ({"serial_number": "TWICE", "op_date": f"2024-01-0{day}T00:00:00Z"} for day in (1, 2))
        apply_page(self.server, [late | {"color": "NEW"}, early | {"color": "OLD"}])
        self.assertEqual(DepDevice.objects.get(serial_number="TWICE").color, "NEW")
        apply_page(self.server, [late | {"op_type": "deleted"}, early | {"op_type": "added"}])
        self.assertFalse(DepDevice.objects.filter(serial_number="TWICE").exists())

    def test_a_session_that_ends_in_the_middle(self):
        new = self.dep.assign(4)
        self.dep.page_limit = 1
        self.dep.end_sessions(after=3)
        self.sync()
        self.assertEqual(self.serials(), {*self.names, *new})
        self.assertEqual(self.dep.count("/session"), 3)

    def test_an_expired_cursor_means_the_whole_list(self):
        self.dep.release(self.names[0])
        new = self.dep.assign(1)
        self.dep.expire_cursors()
        server = self.sync()
        self.assertEqual(self.serials(), {*self.names[1:], *new})
        self.assertEqual([f["serial_number"] for f in facts("abm.device.removed")], self.names[:1])
        self.assertEqual([f["serial_number"] for f in facts("abm.device.added")], new)
        self.assertEqual(
            facts("dep_server.synced")[-1] | {"name": "", "dep_server_id": 0},
            {"name": "", "dep_server_id": 0, "added": 1, "removed": 1, "whole_list": True},
        )
        self.assertEqual((server.full_sync_started_at, server.sync_error), (None, ""))
        self.sync()
        self.assertFalse(facts("dep_server.synced")[-1]["whole_list"])

    def test_cursors_that_never_work_end_in_an_error(self):
        self.dep.fail("/devices/sync", 400, b"EXPIRED_CURSOR")
        self.dep.fail("/server/devices", 400, b"INVALID_CURSOR")
        server = self.sync()
        self.assertIn("no longer knows", server.sync_error)
        self.assertEqual(self.serials(), set(self.names))
        self.sync()
        self.assertEqual(self.server.sync_error, "")

    def test_hostile_entries_do_no_harm(self):
        apply_page(
            self.server,
            [
                7,
                None,
                {},
                {"serial_number": ""},
                {"serial_number": 7},
                {"serial_number": "x" * 65},
                {"serial_number": " ODD\x00 ", "model": "x" * 1000, "color": ["RED"], "device_assigned_date": 7},
                {"serial_number": "OLD", "description": "\ud800", "device_assigned_date": "0001-01-01T00:00:00+14:00"},
            ],
        )
        odd = DepDevice.objects.get(serial_number__startswith="ODD")
        self.assertEqual((len(odd.model), odd.color, odd.device_assigned_date), (255, "", None))
        old = DepDevice.objects.get(serial_number="OLD")
        self.assertEqual((old.description, old.device_assigned_date), ("?", None))
        self.assertEqual(self.serials() - set(self.names), {odd.serial_number, "OLD"})

    def test_statements_do_not_grow_with_the_devices_of_a_page(self):
        counts = []
        apply_page(self.server, [{"serial_number": "FIRST"}])  # the default group is made
        for number in (2, 20):
            with CaptureQueriesContext(
                connection,
            ) as queries:
                apply_page(self.server, [{"serial_number": f"Q{number}-{n}"} for n in range(number)])
                apply_page(
                    self.server, [{"serial_number": f"Q{number}-{n}", "op_type": "deleted"} for n in range(number)]
                )
            counts.append(len(queries))
        self.assertEqual(*counts)


class LinkTest(DepSyncCase):
    def test_rows_point_to_devices_of_the_account_with_that_serial_number(self):
        names = self.dep.assign(4)
        device = make_device(self.account, serial_number=names[0])
        foreign = make_device(make_account(), serial_number=names[1])
        removed = make_device(self.account, serial_number=names[2], removed_at=timezone.now())
        self.sync()
        linked = dict(DepDevice.objects.values_list("serial_number", "device"))
        self.assertEqual(linked[names[0]], device.pk)
        self.assertFalse({foreign.pk, removed.pk} & set(linked.values()))
        made = Device.objects.filter(pk__in=[linked[name] for name in names[1:]], account=self.account)
        self.assertEqual({one.state for one in made}, {DeviceState.AWAITING})
        self.assertEqual(made.count(), 3)

    def test_links_follow_what_became_of_the_devices(self):
        names = self.dep.assign(2)
        old = make_device(self.account, serial_number=names[0])
        gone = make_device(self.account, serial_number=names[1])
        self.sync()
        newer = make_device(self.account, serial_number=names[0])
        gone.removed_at = timezone.now()
        gone.save()
        self.sync()
        self.assertGreater(newer.pk, old.pk)
        linked = dict(DepDevice.objects.values_list("serial_number", "device"))
        self.assertEqual(linked[names[0]], newer.pk)
        self.assertNotIn(linked[names[1]], (gone.pk, None))


class FailureTest(DepSyncCase):
    def test_a_failure_is_told_once_and_tried_again_ever_later(self):
        for _ in range(3):
            self.dep.fail("/account", 500)
        waits = []
        for attempt in (1, 2, 3):
            server = self.sync()
            self.assertEqual(server.sync_attempts, attempt)
            self.assertIn("in trouble (status 500)", server.sync_error)
            waits.append(round((server.sync_due_at - timezone.now()).total_seconds() / 60))
        self.assertEqual(waits, [1, 2, 4])
        (failed,) = facts("dep_server.sync_failed")
        self.assertEqual(failed["reason"], server.sync_error)
        self.sync()
        self.assertEqual((self.server.sync_error, self.server.sync_attempts), ("", 0))
        self.dep.fail("/account", 500)
        self.sync()
        self.assertEqual(len(facts("dep_server.sync_failed")), 2)

    def test_waits_are_bounded_unless_apple_asks_for_longer(self):
        for attempts, seconds in ((0, 60), (1, 120), (6, 3840), (7, 7200), (1000, 7200)):
            self.assertAlmostEqual(retry_seconds(attempts), seconds, delta=seconds / 10)
        self.assertGreaterEqual(retry_seconds(0, 86400), 86400)

    def test_apple_being_busy_is_obeyed(self):
        self.dep.assign(3)
        self.dep.page_limit = 1
        for status in (429, 503):
            self.dep.fail("/server/devices", status, headers={"Retry-After": "5000"}, after=1)
            server = self.sync()
            wait = (server.sync_due_at - timezone.now()).total_seconds()
            self.assertTrue(4990 < wait <= 5500, wait)  # at most a tenth more, so that not all come at once
        self.sync()
        self.assertEqual((len(self.serials()), self.server.sync_error), (3, ""))

    def test_terms_that_wait_are_told_in_words(self):
        self.dep.fail("/session", 403, b"T_C_NOT_SIGNED")
        self.assertIn("terms and conditions", self.sync().sync_error)

    def test_a_token_that_ran_out_is_told_without_asking_apple(self):
        DepServer.objects.update(token_expires_at=timezone.now() - timedelta(days=1))
        self.assertIn("The server token expired on", self.sync().sync_error)
        self.assertEqual(self.dep.requests, [])

    def test_half_a_page_is_no_page_and_the_next_sync_goes_on_from_there(self):
        names = self.dep.assign(5)
        self.dep.page_limit = 2
        self.dep.fail("/server/devices", 200, b'{"devices": [{"serial_number": "HALF"}]}', after=1, is_cut=True)
        server = self.sync()
        self.assertIn("could not be reached", server.sync_error)
        self.assertEqual(self.serials(), set(names[:2]))
        self.assertIsNotNone(server.full_sync_started_at)
        server = self.sync()
        self.assertEqual((self.serials(), server.sync_error), (set(names), ""))
        self.assertEqual(self.dep.count("/server/devices"), 2 + 2)
        self.assertEqual((facts("abm.device.removed"), server.full_sync_started_at), ([], None))

    def test_a_long_list_is_read_in_turns(self):
        names = self.dep.assign(3)
        self.dep.page_limit = 1
        claimed = self._claimed()
        sync(claimed, until=time.monotonic() - 1)
        self.assertEqual(len(self.serials()), 1)
        self.server.refresh_from_db()
        self.assertEqual((self.server.sync_started_at, self.server.last_synced_at), (None, None))
        self.assertEqual(sync_due(), 1)
        self.assertEqual(self.serials(), set(names))

    def test_trouble_of_our_own_holds_up_no_other_server(self):
        other = make_dep_server(make_account(), **TOKEN, sync_due_at=timezone.now())
        self.dep.assign(1)

        def fail_for_ours(server, devices):
            if server.pk == self.server.pk:
                raise RuntimeError("AS_fake")
            return apply_page(server, devices)

        with patch.object(dep_sync, "apply_page", fail_for_ours), self.assertLogs("pomona.dep", "ERROR"):
            server = self.sync()
        self.assertIn("could not store", server.sync_error)
        self.assertEqual((server.cursor, server.sync_attempts, server.sync_started_at), ("", 1, None))
        other.refresh_from_db()
        self.assertIsNotNone(other.last_synced_at)

    def _claimed(self) -> DepServer:
        DepServer.objects.update(sync_due_at=timezone.now())
        return claim()


class ClaimTest(DepSyncCase):
    def test_a_server_that_is_being_synced_is_not_taken_again(self):
        DepServer.objects.update(sync_due_at=timezone.now())
        self.assertEqual(claim().pk, self.server.pk)
        self.assertIsNone(claim())
        request_sync(self.server, SYSTEM)
        self.assertIsNone(claim())

    def test_the_server_of_a_worker_that_died_is_taken_again(self):
        DepServer.objects.update(sync_due_at=timezone.now())
        claim()
        DepServer.objects.update(sync_started_at=timezone.now() - LEASE - timedelta(seconds=1))
        self.assertEqual(claim().pk, self.server.pk)

    def test_a_worker_whose_lease_ran_out_writes_nothing_more(self):
        self.dep.assign(2)
        DepServer.objects.update(sync_due_at=timezone.now())
        slow = claim()
        DepServer.objects.update(sync_started_at=timezone.now() - LEASE - timedelta(seconds=1))
        quick = claim()
        with self.assertRaises(TakenOver):
            sync(slow, until=time.monotonic() + 60)
        self.assertEqual(self.serials(), set())
        sync(quick, until=time.monotonic() + 60)
        self.assertEqual(len(self.serials()), 2)

    def test_a_server_removed_during_its_sync_is_let_go(self):
        DepServer.objects.update(sync_due_at=timezone.now())
        read = DepClient.account

        def remove(client):
            DepServer.objects.all().delete()
            return read(client)

        with patch.object(DepClient, "account", remove), self.assertLogs("pomona.leases", "WARNING"):
            self.assertEqual(sync_due(), 1)

    def test_whoever_asks_during_a_sync_gets_another_one(self):
        DepServer.objects.update(sync_due_at=timezone.now())
        claimed = claim()
        request_sync(self.server, SYSTEM)
        sync(claimed, until=time.monotonic() + 60)
        self.assertEqual(sync_due(), 1)
        self.assertEqual(len(facts("dep_server.synced")), 2)


class NetworkTest(TransactionTestCase):
    def test_apple_is_asked_outside_of_transactions(self):
        states = []
        send = DepClient._send

        def spy(client, *arguments):
            states.append(connection.in_atomic_block)
            return send(client, *arguments)

        with FakeDep(page_limit=1) as dep, override_settings(DEP_URL=dep.url), patch.object(DepClient, "_send", spy):
            dep.assign(2)
            make_dep_server(**TOKEN, sync_due_at=timezone.now())
            sync_due()
        self.assertEqual(states, [False] * 4)
        self.assertEqual(DepDevice.objects.count(), 2)
