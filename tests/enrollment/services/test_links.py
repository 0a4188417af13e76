from datetime import timedelta
from unittest import mock

from django.db.models import QuerySet
from django.utils import timezone

from devices.models import DeviceState
from enrollment.models import Enrollment
from enrollment.services import links
from enrollment.services.errors import EnrollmentError
from mdm.accounts.actors import Actor, Source
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import make_device, make_enrollment, make_group

ADMIN = Actor(Source.ADMIN, "owner@example.com")


class _Missed:
    """A query that was looked at a moment too early: its first look finds nothing."""

    def __init__(self, query: QuerySet[Enrollment]) -> None:
        self.first = lambda: None
        self.get = query.get


class CreateTest(AccountTestCase):
    def test_a_device_comes_with_a_one_time_link(self):
        device, enrollment = links.create_device_with_link(
            self.account, name="Anna's iPhone", actor=ADMIN, created_by=self.owner
        )
        self.assertEqual((device.name, device.state, device.group), ("Anna's iPhone", DeviceState.AWAITING, self.group))
        self.assertTrue(enrollment.is_one_time)
        self.assertEqual(enrollment.created_by, self.owner)
        self.assertEqual(links.enrollment_url(device), enrollment.url)
        event = Event.objects.get(event_type="enrollment.created")
        self.assertEqual((event.device, event.actor_label), (device, "owner@example.com"))
        self.assertNotIn(enrollment.code, str(event.metadata))

    def test_it_takes_the_group_it_is_given(self):
        group = make_group(self.account, "Sales")
        device, enrollment = links.create_device_with_link(self.account, name="X", group=group, actor=ADMIN)
        self.assertEqual((device.group, enrollment.device_group), (group, group))

    def test_a_group_link_is_reusable(self):
        until = timezone.now() + timedelta(days=7)
        enrollment = links.link_for_group(self.group, name="Poster", expires_at=until, actor=ADMIN)
        self.assertFalse(enrollment.is_one_time)
        self.assertEqual((enrollment.name, enrollment.expires_at, enrollment.account), ("Poster", until, self.account))

    def test_codes_are_long_and_differ(self):
        codes = {links.link_for_group(self.group, actor=ADMIN).code for _ in range(20)}
        self.assertEqual(len(codes), 20)
        self.assertTrue(all(len(code) >= 22 for code in codes))


class LinkForDeviceTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account, enrolled=False)

    def test_the_open_link_is_found_again(self):
        first = links.link_for_device(self.device, ADMIN)
        self.assertEqual(links.link_for_device(self.device, ADMIN), first)
        self.assertEqual(Enrollment.objects.count(), 1)

    def test_a_spent_link_is_followed_by_a_new_one(self):
        spent = make_enrollment(device=self.device, spent_at=timezone.now())
        new = links.link_for_device(self.device, ADMIN)
        self.assertNotEqual(new, spent)
        self.assertEqual(links.enrollment_url(self.device), new.url)

    def test_an_expired_link_is_closed_and_replaced(self):
        expired = make_enrollment(device=self.device, expires_at=timezone.now() - timedelta(days=1))
        new = links.link_for_device(self.device, ADMIN)
        expired.refresh_from_db()
        self.assertIsNotNone(expired.revoked_at)
        self.assertEqual(new.why_closed, "")

    def test_a_removed_device_gets_none(self):
        self.device.removed_at = timezone.now()
        with self.assertRaises(EnrollmentError):
            links.link_for_device(self.device, ADMIN)

    def test_whoever_is_second_gets_the_link_of_the_first(self):
        """Another process makes its link after ours looked and found none."""
        looked = links.Enrollment.objects.filter

        def look_then_lose(*args: object, **fields: object) -> QuerySet[Enrollment]:
            found = looked(*args, **fields)
            self.assertIsNone(found.first())
            make_enrollment(device=self.device)
            return _Missed(found)

        with mock.patch.object(links.Enrollment.objects, "filter", look_then_lose):
            found = links.link_for_device(self.device, ADMIN)
        self.assertEqual(found, Enrollment.objects.get())

    def test_there_is_no_url_without_an_open_link(self):
        self.assertIsNone(links.enrollment_url(self.device))
        make_enrollment(device=self.device, revoked_at=timezone.now())
        make_enrollment(device=self.device, expires_at=timezone.now())
        self.assertIsNone(links.enrollment_url(self.device))

    def test_lists_ask_nothing_more_for_the_url(self):
        make_enrollment(device=self.device)
        device = type(self.device).objects.prefetch_related("enrollments").get()
        with self.assertNumQueries(0):
            self.assertIsNotNone(links.enrollment_url(device))


class FindTest(AccountTestCase):
    def test_a_code_finds_its_link_open_or_closed(self):
        enrollment = make_enrollment(self.account, revoked_at=timezone.now())
        self.assertEqual(links.find(enrollment.code), enrollment)

    def test_what_is_no_code_finds_nothing_and_asks_no_database(self):
        with self.assertNumQueries(0):
            for code in ("", "x" * 65, "a\x00b"):
                self.assertIsNone(links.find(code))

    def test_unknown_codes_and_other_spellings_find_nothing(self):
        make_enrollment(self.account, code="AbCdEfGh")
        self.assertIsNone(links.find("abcdefgh"))
        self.assertIsNone(links.find("AbCdEfG"))


class RevokeTest(AccountTestCase):
    def test_it_closes_the_link_once(self):
        enrollment = make_enrollment(self.account)
        self.assertTrue(links.revoke(enrollment, ADMIN))
        self.assertEqual(enrollment.why_closed, "revoked")
        self.assertFalse(links.revoke(enrollment, ADMIN))
        self.assertEqual(Event.objects.filter(event_type="enrollment.revoked").count(), 1)

    def test_removing_a_device_closes_its_links(self):
        device = make_device(self.account)
        spent, unused = make_enrollment(device=device, spent_at=timezone.now()), make_enrollment(device=device)
        links.remove_device(device, ADMIN)
        spent.refresh_from_db()
        unused.refresh_from_db()
        self.assertEqual((spent.why_closed, unused.why_closed), ("spent", "revoked"))
        device.refresh_from_db()
        self.assertIsNotNone(device.removed_at)


class ClaimTest(AccountTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.enrollment = make_enrollment(device=make_device(self.account, enrolled=False))

    def test_the_first_device_gets_it_and_may_come_again(self):
        self.assertTrue(links.claim(self.enrollment, "a" * 64))
        self.assertEqual(self.enrollment.why_closed, "spent")
        self.assertTrue(links.claim(self.enrollment, "a" * 64))
        self.assertFalse(links.claim(self.enrollment, "b" * 64))

    def test_a_stale_row_does_not_help(self):
        stale = Enrollment.objects.get(pk=self.enrollment.pk)
        links.claim(self.enrollment, "a" * 64)
        self.assertFalse(links.claim(stale, "b" * 64))

    def test_revoked_and_expired_links_let_nobody_in(self):
        for field in ("revoked_at", "expires_at"):
            enrollment = make_enrollment(
                device=make_device(self.account, enrolled=False), **{field: timezone.now() - timedelta(seconds=1)}
            )
            self.assertFalse(links.claim(enrollment, "a" * 64), field)

    def test_a_link_revoked_after_its_use_does_not_take_its_device_again(self):
        links.claim(self.enrollment, "a" * 64)
        links.revoke(self.enrollment, ADMIN)
        self.assertFalse(links.claim(self.enrollment, "a" * 64))

    def test_a_group_link_takes_everybody_while_it_is_open(self):
        link = make_enrollment(self.account)
        self.assertTrue(all(links.claim(link, character * 64) for character in "abc"))
        self.assertEqual(link.why_closed, "")
        Enrollment.objects.filter(pk=link.pk).update(revoked_at=timezone.now())
        link.refresh_from_db()
        self.assertFalse(links.claim(link, "d" * 64))
