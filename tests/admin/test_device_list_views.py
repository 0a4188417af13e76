"""The device list: its order and pages, the columns that somebody chooses, and the views that they keep."""

from datetime import timedelta
from functools import partial
from unittest import mock

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.admin.list import listing
from devices.admin.list.columns import BUILT_IN
from devices.admin.list.listing import PAGE_SIZE
from devices.models import Device, SavedView
from devices.services.saved_views import MOST_VIEWS, first_view, kept_columns
from mdm.accounts.models import Membership, Role, User
from mdm.channels.models import Channel
from mdm.common.counts import count_up_to
from tests.admin.base import signed_in
from tests.admin.test_device_list_filters import ListTestCase
from tests.factories import (
    make_assignment_group,
    make_attribute,
    make_attribute_value,
    make_device,
    make_device_user,
    make_group,
    make_user,
)

EVERY_COLUMN = ",".join(column.key for column in BUILT_IN)


class OrderTest(ListTestCase):
    def test_those_that_were_added_last_come_first(self) -> None:
        for name in ("One", "Two", "Three"):
            make_device(self.account, name=name)
        self.assertEqual(self.names(), ["Three", "Two", "One"])

    def test_every_column_that_can_be_ordered_by_orders(self) -> None:
        devices = [make_device(self.account), make_device(self.account, is_supervised=None, has_filevault=True)]
        for column in BUILT_IN:
            for order in (column.key, f"-{column.key}"):
                self.assertEqual(self.found(f"?o={order}"), {str(device) for device in devices}, order)

    def test_versions_are_ordered_as_numbers(self) -> None:
        for version in ("9.3", "17.1", "17.10", "17.2", '17"'):
            make_device(self.account, name=version, os_version=version)
        self.assertEqual(self.names("?o=-system")[:4], ["17.10", "17.2", "17.1", "9.3"])

    def test_names_are_ordered_whatever_their_case(self) -> None:
        for name in ("beta", "Alpha", "Gamma"):
            make_device(self.account, name=name)
        self.assertEqual(self.names("?o=device"), ["Alpha", "beta", "Gamma"])

    def test_the_heading_says_the_order_and_turns_it_round(self) -> None:
        make_device(self.account)
        response = self.client.get(f"{self.list_url}?o=device")
        self.assertContains(response, 'aria-sort="ascending"')
        self.assertContains(response, 'href="?o=-device"')

    def test_pages_follow_each_other_there_and_back(self) -> None:
        group = make_group(self.account)
        for number in range(2 * PAGE_SIZE + 5):
            device = make_device(self.account, name=f"Device {number % 7}", group=group)
            Channel.objects.filter(device=device).update(last_seen_at=timezone.now() - timedelta(hours=number % 50))
        for order in ("", "device", "-device", "-seen", "seen", "system", "-supervised", "enrolled"):
            seen, url, visited = [], f"{self.list_url}?o={order}", []
            while url:
                cl = self.client.get(url).context["cl"]
                visited.append([device.pk for device in cl.result_list])
                seen += visited[-1]
                last, url = cl, self.list_url + cl.next_url if cl.next_url else ""
            self.assertEqual(len(seen), 2 * PAGE_SIZE + 5, order)
            self.assertEqual(len(set(seen)), len(seen), order)
            back = self.client.get(self.list_url + last.previous_url).context["cl"]
            self.assertEqual([device.pk for device in back.result_list], visited[1], order)


class ColumnsTest(ListTestCase):
    def choose(self, *keys: str, query: str = "", client: Client | None = None) -> str:
        data = {"column": keys, "query": query}
        response = (client or self.client).post(self.url(Device, "list_columns"), data)
        self.assertEqual(response.status_code, 302)
        return response["Location"]

    def headings(self, query: str = "", client: Client | None = None) -> list[str]:
        response = (client or self.client).get(f"{self.list_url}{query}")
        return [str(header.title) for header in response.context["cl"].headers]

    def test_chosen_columns_stay_with_the_person_in_their_order(self) -> None:
        make_device(self.account)
        self.assertEqual(
            self.choose("udid", "device", "imei", query="state=enrolled"), f"{self.list_url}?state=enrolled"
        )
        self.assertEqual(self.headings(), ["UDID", "Device", "IMEI"])
        self.assertEqual(len(self.headings(client=self.people[Role.OWNER])), 7)

    def test_what_is_no_column_is_dropped_and_the_name_is_always_there(self) -> None:
        make_device(self.account)
        self.choose("imei", "imei", "password", "attribute-99")
        self.assertEqual(kept_columns(User.objects.get(pk=self.users[Role.OPERATOR].pk)), ["device", "imei"])

    def test_the_standard_ones_come_back(self) -> None:
        make_device(self.account)
        self.choose("imei")
        self.client.post(self.url(Device, "list_columns"), {"standard": "1"})
        self.assertEqual(len(self.headings()), 7)

    def test_columns_show_what_they_say(self) -> None:
        facts = {"AvailableDeviceCapacity": 12.4, "DeviceCapacity": 64.0, "BatteryLevel": 0.87}
        group = make_group(self.account, "Teachers")
        device = make_device(self.account, platform="macOS", has_filevault=True, group=group, information=facts)
        make_device_user(device, username="ada", full_name="Ada Lovelace")
        make_assignment_group(self.account, "Everybody", members=[group])
        room = make_attribute(self.account, "room", default="hall")
        make_attribute_value(device, room, "B 12")
        response = self.client.get(f"{self.list_url}?columns={EVERY_COLUMN},attribute-{room.pk}")
        for words in ("12 of 64 GB", "87 %", "Ada Lovelace", "Everybody", "B 12", "Teachers"):
            self.assertContains(response, words)

    def test_answers_of_another_kind_than_expected_break_nothing(self) -> None:
        make_device(
            self.account, information={"AvailableDeviceCapacity": "much", "BatteryLevel": -1, "DeviceCapacity": []}
        )
        self.assertEqual(self.client.get(f"{self.list_url}?columns={EVERY_COLUMN}").status_code, 200)

    def test_a_secret_attribute_is_no_column(self) -> None:
        device, pin = make_device(self.account), make_attribute(self.account, "pin", secret=True)
        make_attribute_value(device, pin, "1234")
        response = self.client.get(f"{self.list_url}?columns=device,attribute-{pin.pk}")
        self.assertNotContains(response, "1234")
        self.assertEqual(len(response.context["cl"].columns), 1)

    def test_all_columns_and_filters_take_the_same_number_of_statements_whatever_there_is(self) -> None:
        room = make_attribute(self.account, "room")
        query = f"?columns={EVERY_COLUMN},attribute-{room.pk}&state=enrolled&seen=day&o=-seen"

        def grow(count: int) -> None:
            for _ in range(count):
                device = make_device(self.account, group=make_group(self.account))
                Channel.objects.filter(device=device).update(last_seen_at=timezone.now())
                make_device_user(device)
                make_attribute_value(device, room)
                make_assignment_group(self.account, members=[device])

        grow(2)
        few = self.statements(query)
        grow(30)
        self.assertEqual(self.statements(query), few)
        self.assertLessEqual(few, 20)

    def statements(self, query: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            self.assertEqual(self.client.get(f"{self.list_url}{query}").status_code, 200)
        return len(captured)


class SavedViewTest(ListTestCase):
    def setUp(self) -> None:
        super().setUp()
        make_device(self.account, name="Mac", platform="macOS")
        make_device(self.account, name="Phone", platform="iOS")
        self.reader = self.people[Role.READ_ONLY]

    def keep(self, name: str, query: str = "platform=macOS", client: Client | None = None, **more: str) -> SavedView:
        data = {"name": name, "query": query, "columns": "device,udid", **more}
        (client or self.client).post(self.url(Device, "keep_view"), data)
        return SavedView.objects.get(name=name)

    def test_a_view_keeps_filters_order_and_columns(self) -> None:
        view = self.keep("Macs", "platform=macOS&o=-seen&after=xyz")
        self.assertEqual((view.query, view.columns), ("platform=macOS&o=-seen", ["device", "udid"]))
        response = self.client.get(f"{self.list_url}?view={view.pk}", follow=True)
        self.assertEqual([str(device) for device in response.context["cl"].result_list], ["Mac"])
        self.assertEqual([column.key for column in response.context["cl"].columns], ["device", "udid"])

    def test_a_private_view_is_seen_by_nobody_else(self) -> None:
        view = self.keep("Mine")
        self.assertNotContains(self.people[Role.OWNER].get(self.list_url), "Mine")
        self.assertEqual(self.people[Role.OWNER].get(f"{self.list_url}?view={view.pk}").status_code, 404)
        self.assertEqual(self.outside.get(f"{self.list_url}?view={view.pk}").status_code, 404)
        for page, data in (("change_saved_view", {"what": "first"}), ("drop_view", {})):
            response = self.people[Role.OWNER].post(self.url(Device, page), {"view": view.pk, **data})
            self.assertEqual(response.status_code, 404, page)

    def test_a_shared_view_is_seen_by_everybody_of_the_account(self) -> None:
        view = self.keep("Ours", shared="on")
        self.assertContains(self.reader.get(self.list_url), "Ours")
        self.assertEqual(self.outside.get(f"{self.list_url}?view={view.pk}").status_code, 404)

    def test_sharing_is_for_those_who_manage_devices(self) -> None:
        data = {"name": "X", "query": "", "columns": "device", "shared": "on"}
        self.assertEqual(self.reader.post(self.url(Device, "keep_view"), data).status_code, 403)
        view = self.keep("Read", client=self.reader)
        data = {"view": view.pk, "what": "name", "name": "Read", "shared": "on"}
        self.assertEqual(self.reader.post(self.url(Device, "change_saved_view"), data).status_code, 403)
        self.assertFalse(SavedView.objects.filter(is_shared=True).exists())

    def test_changes_to_the_list_are_kept_with_the_view_when_its_owner_says_so(self) -> None:
        view = self.keep("Macs")
        changed = f"{self.list_url}?platform=iOS&view={view.pk}"
        self.assertContains(self.client.get(changed), "Keep these changes")
        self.assertNotContains(self.client.get(f"{self.list_url}?platform=macOS&view={view.pk}"), "Keep these changes")
        data = {"view": view.pk, "what": "content", "query": "platform=iOS", "columns": "device,imei"}
        self.client.post(self.url(Device, "change_saved_view"), data)
        view.refresh_from_db()
        self.assertEqual((view.query, view.columns), ("platform=iOS", ["device", "imei"]))

    def test_whoever_may_not_share_any_more_changes_no_shared_view_either(self) -> None:
        view = self.keep("Ours", shared="on")
        Membership.objects.filter(user=view.owner).update(role=Role.READ_ONLY)
        for data in (
            {"what": "content", "query": "", "columns": "device"},
            {"what": "name", "name": "Mine", "shared": "on"},
        ):
            response = self.client.post(self.url(Device, "change_saved_view"), {"view": view.pk, **data})
            self.assertEqual(response.status_code, 403)

    def test_only_its_owner_changes_a_shared_view(self) -> None:
        view = self.keep("Ours", shared="on")
        data = {"view": view.pk, "what": "name", "name": "Theirs", "shared": "on"}
        response = self.reader.post(self.url(Device, "change_saved_view"), data, follow=True)
        self.assertContains(response, "can change this view")
        view.refresh_from_db()
        self.assertEqual(view.name, "Ours")

    def test_a_shared_view_is_deleted_by_its_owner_or_an_administrator(self) -> None:
        view = self.keep("Ours", shared="on")
        self.reader.post(self.url(Device, "drop_view"), {"view": view.pk})
        self.assertTrue(SavedView.objects.filter(pk=view.pk).exists())
        self.people[Role.ADMIN].post(self.url(Device, "drop_view"), {"view": view.pk})
        self.assertFalse(SavedView.objects.filter(pk=view.pk).exists())
        self.assertEqual(Device.objects.count(), 2)

    def test_the_list_opens_with_the_view_that_somebody_put_first(self) -> None:
        view = self.keep("Macs")
        self.client.post(self.url(Device, "change_saved_view"), {"view": view.pk, "what": "first"})
        response = self.client.get(self.list_url)
        self.assertRedirects(response, f"{self.list_url}?platform=macOS&view={view.pk}")
        self.assertEqual(self.found("?view=all"), {"Mac", "Phone"})
        self.assertEqual(self.people[Role.OWNER].get(self.list_url).status_code, 200)
        self.client.post(self.url(Device, "change_saved_view"), {"view": view.pk, "what": "not-first"})
        self.assertEqual(self.found(""), {"Mac", "Phone"})

    def test_a_deleted_view_no_longer_comes_first(self) -> None:
        view = self.keep("Macs")
        self.client.post(self.url(Device, "change_saved_view"), {"view": view.pk, "what": "first"})
        self.client.post(self.url(Device, "drop_view"), {"view": view.pk})
        self.assertEqual(self.found(""), {"Mac", "Phone"})
        self.assertIsNotNone(first_view(User.objects.get(pk=self.users[Role.OPERATOR].pk), self.account))

    def test_names_are_taken_once_and_not_empty(self) -> None:
        self.keep("Macs")
        for name, words in (("macs", "already"), ("  ", "Give the view a name"), ("x" * 101, "Give the view a name")):
            data = {"name": name, "query": "", "columns": "device"}
            self.assertContains(self.client.post(self.url(Device, "keep_view"), data, follow=True), words)
        self.assertEqual(SavedView.objects.count(), 1)

    def test_a_person_keeps_a_limited_number_of_views(self) -> None:
        owner = self.users[Role.OPERATOR]
        SavedView.objects.bulk_create(
            SavedView(account=self.account, owner=owner, name=str(number)) for number in range(MOST_VIEWS)
        )
        data = {"name": "One more", "query": "", "columns": "device"}
        self.assertContains(self.client.post(self.url(Device, "keep_view"), data, follow=True), "which is the most")
        self.assertEqual(SavedView.objects.count(), MOST_VIEWS)

    def test_columns_chosen_while_a_view_is_open_are_for_the_view(self) -> None:
        view = self.keep("Macs")
        data = {"column": ["device", "imei"], "query": f"platform=macOS&view={view.pk}"}
        response = self.client.post(self.url(Device, "list_columns"), data, follow=True)
        self.assertContains(response, "Keep these changes")
        self.assertEqual([column.key for column in response.context["cl"].columns], ["device", "imei"])
        self.assertEqual(kept_columns(User.objects.get(pk=self.users[Role.OPERATOR].pk)), [])

    def test_a_person_who_left_the_account_takes_no_view_along_to_another(self) -> None:
        self.keep("Macs")
        elsewhere = make_user(self.other_account, role=Role.OWNER, email="elsewhere@example.com")
        self.assertNotContains(signed_in(elsewhere).get(self.list_url), "Macs")


class LiveSearchTest(ListTestCase):
    def test_typing_gets_the_table_and_what_has_links_without_the_page_around_it(self) -> None:
        make_device(self.account, name="Kiosk")
        response = self.client.get(f"{self.list_url}?q=kiosk", headers={"HX-Request": "true"})
        self.assertContains(response, "Kiosk")
        self.assertNotContains(response, "<html")
        self.assertContains(response, 'hx-swap-oob="innerHTML:#pm-list-count">1 device found')

    def test_going_back_gets_the_whole_page(self) -> None:
        make_device(self.account)
        headers = {"HX-Request": "true", "HX-History-Restore-Request": "true"}
        self.assertContains(self.client.get(f"{self.list_url}?q=x", headers=headers), "<html")

    def test_the_bar_of_actions_is_for_those_who_may_use_one(self) -> None:
        make_device(self.account)
        self.assertContains(self.client.get(self.list_url), 'name="device"')
        self.assertNotContains(self.people[Role.READ_ONLY].get(self.list_url), 'name="device"')
        self.assertNotContains(self.client.get(self.list_url), 'value="wipe"')
        self.assertContains(self.people[Role.ADMIN].get(self.list_url), 'value="wipe"')

    def test_many_devices_are_counted_up_to_a_bound(self) -> None:
        group = make_group(self.account)
        for _ in range(160):
            make_device(self.account, group=group)
        with mock.patch.object(listing, "count_up_to", partial(count_up_to, most=150)):
            response = self.client.get(self.list_url)
        self.assertContains(response, "150+ devices")
        self.assertContains(response, "All 150+ that match")
