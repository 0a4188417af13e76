"""The device list: what it finds and what it is narrowed by."""

import base64
import json
from datetime import UTC, datetime
from unittest import mock

from django.http import QueryDict
from django.test import RequestFactory
from django.utils import timezone

from devices.admin.list.search import matching
from devices.models import AttributeValue, Device, ItemState, ProfileInstall
from devices.services.attributes import set_value, values_for
from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Account, Role
from mdm.channels.models import Channel
from tests.admin.base import AdminTestCase
from tests.factories import (
    make_assignment_group,
    make_attribute,
    make_attribute_value,
    make_channel,
    make_device,
    make_device_user,
    make_group,
    make_installed_app,
    make_profile,
)


class ListTestCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.list_url = self.url(Device, "changelist")
        self.client = self.people[Role.OPERATOR]

    def names(self, query: str = "") -> list[str]:
        response = self.client.get(f"{self.list_url}{query}")
        self.assertEqual(response.status_code, 200, query)
        return [str(device) for device in response.context["cl"].result_list]

    def found(self, query: str) -> set[str]:
        return set(self.names(query))

    def chips(self, query: str) -> list[str]:
        return [chip.words for chip, _ in self.client.get(f"{self.list_url}{query}").context["chips"]]


class SearchTest(ListTestCase):
    def test_a_device_is_found_by_the_names_of_its_users(self) -> None:
        mac = make_device(self.account, name="Mac", platform="macOS")
        make_device_user(mac, username="ada", full_name="Ada Lovelace")
        make_device(self.account, name="Other")
        for words in ("ada", "LOVELACE", "love", "lace"):
            self.assertEqual(self.found(f"?q={words}"), {"Mac"}, words)

    def test_nothing_is_found_across_two_names(self) -> None:
        make_device_user(make_device(self.account, name="Mac"), username="ada", full_name="love")
        self.assertEqual(self.found("?q=adalove"), set())

    def test_users_and_devices_of_other_accounts_are_not_found(self) -> None:
        theirs = make_device(self.other_account, name="Kiosk")
        make_device_user(theirs, username="kioskuser")
        self.assertEqual(self.found("?q=kiosk"), set())

    def test_signs_with_a_meaning_in_patterns_are_searched_as_they_are(self) -> None:
        make_device(self.account, name="50% off")
        make_device(self.account, name="Plain")
        self.assertEqual(self.found("?q=%25"), {"50% off"})
        self.assertEqual(self.found("?q=___"), set())

    def test_the_search_window_finds_users_as_well(self) -> None:
        make_device_user(make_device(self.account, name="Her Mac"), username="ada", full_name="Ada Lovelace")
        self.assertContains(self.client.get("/admin/search/?extended=1&s=lovelace"), "Her Mac")


class FilterTest(ListTestCase):
    def test_versions_are_compared_as_numbers_and_within_one_system(self) -> None:
        for version in ("9.3", "14.3.1", "14.4", "15.0"):
            make_device(self.account, name=f"Mac {version}", platform="macOS", os_version=version)
        make_device(self.account, name="Phone", platform="iOS", os_version="14.1")
        make_device(self.account, name="Nothing known", platform="macOS", os_version="")
        self.assertEqual(self.found("?os_of=macOS&os_below=14.4"), {"Mac 9.3", "Mac 14.3.1"})
        self.assertEqual(self.found("?os_of=macOS&os_min=14.4"), {"Mac 14.4", "Mac 15.0"})
        self.assertEqual(self.found("?os_of=macOS&os_min=14.3.1&os_below=15"), {"Mac 14.3.1", "Mac 14.4"})
        self.assertEqual(self.found("?platform=iOS&os_below=15"), {"Phone"})

    def test_a_range_of_versions_is_said_in_words(self) -> None:
        make_device(self.account, platform="macOS", os_version="14.4")
        self.assertEqual(self.chips("?os_of=macOS&os_below=14.4"), ["macOS older than 14.4"])
        self.assertEqual(self.chips("?os_of=macOS&os_min=14"), ["macOS 14 or newer"])

    def test_a_version_that_is_none_is_said_and_fits_nothing(self) -> None:
        make_device(self.account, platform="macOS", os_version="14.4")
        for query in (
            "?os_of=macOS&os_below=new",
            "?os_min=14",
            "?os_of=Windows&os_min=11",
            "?os_of=macOS&os_min=1.2.3.4.5",
        ):
            self.assertEqual(self.found(query), set(), query)
        self.assertContains(self.client.get(f"{self.list_url}?os_of=macOS&os_below=new"), "“new” is no version")
        self.assertContains(self.client.get(f"{self.list_url}?os_min=14"), "Say which system the version is of")

    def test_filevault_and_automated_enrollment(self) -> None:
        make_device(self.account, name="On", has_filevault=True, is_dep_enrollment=True)
        make_device(self.account, name="Off", has_filevault=False, is_dep_enrollment=False)
        make_device(self.account, name="Unknown")
        self.assertEqual(self.found("?filevault=yes"), {"On"})
        self.assertEqual(self.found("?filevault=no"), {"Off"})
        self.assertEqual(self.found("?filevault=unknown"), {"Unknown"})
        self.assertEqual(self.found("?dep=yes"), {"On"})

    def test_last_seen_counts_the_newest_channel_of_a_device_that_enrolled_again(self) -> None:
        device = make_device(self.account, name="Twice")
        Channel.objects.filter(device=device).update(last_seen_at=datetime(2020, 1, 1, tzinfo=UTC))
        newer = make_channel(device, device_key="OTHER", fingerprint="")
        Channel.objects.filter(pk=newer.pk).update(last_seen_at=timezone.now())
        make_device(self.account, name="Never", enrolled=False)
        self.assertEqual(self.found("?seen=day"), {"Twice"})
        self.assertEqual(self.found("?seen=not-month"), set())
        self.assertEqual(self.found("?seen=never"), {"Never"})
        self.assertEqual(self.names("?o=-seen"), ["Twice", "Never"])

    def test_the_day_of_enrollment(self) -> None:
        make_device(self.account, name="Then", enrolled_at=datetime(2026, 3, 4, 23, 30, tzinfo=UTC))
        make_device(self.account, name="Later", enrolled_at=datetime(2026, 3, 5, 0, 30, tzinfo=UTC))
        self.assertEqual(self.found("?enrolled=2026-03-04"), {"Then"})
        self.assertEqual(self.found("?enrolled=yesterday"), set())
        self.assertContains(self.client.get(f"{self.list_url}?enrolled=yesterday"), "“yesterday” is no day")

    def test_the_devices_of_an_assignment_group_are_those_of_its_device_groups_as_well(self) -> None:
        group = make_group(self.account, "Teachers")
        alone, inside = make_device(self.account, name="Alone"), make_device(self.account, name="Inside", group=group)
        make_device(self.account, name="Outside")
        assigned = make_assignment_group(self.account, members=[alone, group])
        self.assertEqual(self.found(f"?assigned={assigned.pk}"), {"Alone", "Inside"})
        theirs = make_assignment_group(self.other_account, members=[])
        self.assertEqual(self.found(f"?assigned={theirs.pk}"), set())
        self.assertEqual(inside.group, group)

    def test_an_app_that_is_installed(self) -> None:
        make_installed_app(make_device(self.account, name="Has it"), identifier="com.example.notes")
        make_device(self.account, name="Has it not")
        self.assertEqual(self.found("?app=com.example.notes"), {"Has it"})

    def test_a_profile_that_is_missing_or_was_refused(self) -> None:
        profile = make_profile(self.account)
        for name, state in (
            ("Fine", ItemState.INSTALLED),
            ("Refused", ItemState.FAILED),
            ("Waiting", ItemState.PENDING),
        ):
            device = make_device(self.account, name=name)
            ProfileInstall.objects.create(account=self.account, profile=profile, device=device, version=1, state=state)
        self.assertEqual(self.found(f"?profile={profile.pk}"), {"Refused", "Waiting"})
        self.assertEqual(self.found(f"?profile={profile.pk}&profile_is=failed"), {"Refused"})
        self.assertEqual(self.found(f"?profile={profile.pk}&profile_is=installed"), {"Fine"})
        self.assertEqual(self.found(f"?profile={profile.pk}&profile_is=odd"), set())

    def test_a_senseless_value_fits_nothing_so_that_no_action_reaches_devices_that_nobody_meant(self) -> None:
        make_device(self.account)
        for query in (
            "?seen=whenever",
            "?state=odd",
            "?group=x",
            "?supervised=maybe",
            "?push=x",
            "?attribute=77",
            "?dep=2",
        ):
            self.assertEqual(self.found(query), set(), query)

    def test_what_is_no_filter_changes_nothing(self) -> None:
        make_device(self.account, name="Here")
        for query in (
            "?account__name=x",
            "?p=3",
            "?q=",
            "?state=&group=",
            "?q=%00",
            "?after=garbage",
            "?before=W10",
            "?o=odd",
        ):
            self.assertEqual(self.found(query), {"Here"}, query)

    def test_a_chip_takes_its_own_condition_away_and_leaves_the_rest(self) -> None:
        make_device(self.account, platform="macOS", name="Mac")
        response = self.client.get(f"{self.list_url}?state=enrolled&platform=macOS&q=mac")
        removed = {chip.words: url for chip, url in response.context["chips"]}
        self.assertEqual(removed["State: Enrolled"], "?q=mac&platform=macOS")
        self.assertEqual(removed["Platform: Mac"], "?q=mac&state=enrolled")


class AttributeFilterTest(ListTestCase):
    """On the value that counts, whoever has it."""

    def setUp(self) -> None:
        super().setUp()
        self.room = make_attribute(self.account, "room", default="hall")
        self.groups = [make_group(self.account, name) for name in ("One", "Two")]
        self.devices = {
            name: make_device(self.account, name=name, group=group)
            for name, group in (
                ("own", self.groups[0]),
                ("group", self.groups[0]),
                ("assigned", self.groups[1]),
                ("default", self.groups[1]),
            )
        }
        first = make_assignment_group(self.account, members=[self.devices["assigned"], self.devices["own"]], priority=1)
        second = make_assignment_group(self.account, members=[self.groups[1]], priority=2)
        set_value(self.devices["own"], self.room, "A", SYSTEM)
        set_value(self.groups[0], self.room, "B", SYSTEM)
        set_value(first, self.room, "C", SYSTEM)
        self.first, self.second = first, second

    def fits(self, how: str, value: str = "") -> set[str]:
        return self.found(f"?attribute={self.room.pk}&attribute_is={how}&attribute_value={value}")

    def test_the_value_that_counts_is_compared(self) -> None:
        for value, name in (("A", "own"), ("B", "group"), ("C", "assigned"), ("hall", "default")):
            self.assertEqual(self.fits("is", value), {name}, value)
            self.assertEqual(self.fits("not", value), set(self.devices) - {name}, value)
        self.assertEqual(self.fits("is", "a"), set())

    def test_of_several_assignment_groups_the_first_one_counts(self) -> None:
        set_value(self.second, self.room, "D", SYSTEM)
        self.assertEqual(self.fits("is", "C"), {"assigned"})
        self.assertEqual(self.fits("is", "D"), {"default"})

    def test_whether_it_is_set_at_all(self) -> None:
        self.assertEqual(self.fits("set"), set(self.devices))
        self.assertEqual(self.fits("unset"), set())
        self.room.plain = ""
        self.room.save()
        self.assertEqual(self.fits("unset"), {"default"})

    def test_it_agrees_with_what_devices_are_given(self) -> None:
        counts = values_for(list(self.devices.values()))
        for name, device in self.devices.items():
            self.assertIn(name, self.fits("is", counts[device.pk]["room"].value), name)

    def test_values_of_secret_attributes_cannot_be_felt_for(self) -> None:
        secret = make_attribute(self.account, "pin", secret=True)
        set_value(self.devices["own"], secret, "1234", SYSTEM)
        self.assertEqual(self.found(f"?attribute={secret.pk}&attribute_is=set"), set())
        self.assertNotContains(self.client.get(self.list_url), f'<option value="{secret.pk}">pin')

    def test_another_accounts_attribute_is_none(self) -> None:
        theirs = make_attribute(self.other_account, "their secret plan", default="x")
        self.assertEqual(self.found(f"?attribute={theirs.pk}&attribute_is=set"), set())
        self.assertNotContains(self.client.get(self.list_url), "their secret plan")
        self.assertTrue(AttributeValue.objects.exists())


class MatchingTest(ListTestCase):
    """What actions on all that match are done to."""

    def request(self, account: Account | None) -> object:
        request = RequestFactory().get("/")
        request.get_account = lambda: account
        return request

    def test_it_is_what_the_list_shows(self) -> None:
        make_device(self.account, name="Mac", platform="macOS")
        make_device(self.account, name="Phone")
        make_device(self.other_account, name="Their Mac", platform="macOS")
        for query in ("", "platform=macOS", "q=mac", "platform=macOS&o=-seen&view=3&columns=state"):
            found = {str(device) for device in matching(self.request(self.account), query)}
            self.assertEqual(found, self.found(f"?{QueryDict(query).urlencode()}".replace("view=3", "view=all")), query)

    def test_nobody_without_an_account_matches_anything(self) -> None:
        make_device(self.account)
        self.assertFalse(matching(self.request(None), "").exists())


class StrangeAddressesTest(ListTestCase):
    """What nobody clicks on is no fault of the server."""

    def test_the_ends_of_time_are_no_days(self) -> None:
        make_device(self.account)
        for day in ("9999-12-31", "0001-01-01"):
            self.assertEqual(self.found(f"?enrolled={day}"), set())
            self.assertIn(day, str(self.chips(f"?enrolled={day}")))

    def test_places_that_no_list_has_begin_at_its_first_page(self) -> None:
        device = make_device(self.account, name="Mac")
        keys = {
            "serial": ["\ud800"],
            "enrolled": ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01T00:00:00"],
        }
        for order, some in keys.items():
            for key in some:
                token = base64.urlsafe_b64encode(json.dumps([key, device.pk + 5]).encode()).decode().rstrip("=")
                for query in (f"?o={order}&after={token}", f"?o=-{order}&before={token}"):
                    self.assertEqual(self.found(query), {"Mac"}, key)

    def test_an_attribute_that_no_menu_has_room_for_filters_as_well(self) -> None:
        with mock.patch("devices.admin.list.known.MOST_CHOICES", 2):
            attributes = [make_attribute(self.account, name) for name in ("a", "b", "room")]
            make_attribute_value(make_device(self.account, name="Mac"), attributes[-1], "B 12")
            make_device(self.account, name="Other")
            room = attributes[-1].pk
            self.assertEqual(self.found(f"?attribute={room}&attribute_is=is&attribute_value=B+12"), {"Mac"})
            secret = make_attribute(self.account, "z", secret=True).pk
            theirs = make_attribute(self.other_account, "y").pk
            for pk in (secret, theirs):
                self.assertEqual(self.found(f"?attribute={pk}&attribute_is=is&attribute_value=set"), set())
