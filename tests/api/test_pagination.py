from devices.models import DeviceGroup
from tests.base import AccountTestCase
from tests.factories import make_group

URL = "/api/v1/device_groups"


class PaginationTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.groups = [self.group] + [make_group(self.account) for _ in range(11)]
        self.ids = [group.pk for group in self.groups]
        make_group(self.other_account)

    def page(self, **query) -> tuple[list[int], bool]:
        response = self.api.get(URL, query)
        self.assertEqual(response.status_code, 200, response.content)
        body = response.json()
        return [row["id"] for row in body["data"]], body["has_more"]

    def refused(self, **query) -> None:
        self.assertEqual(self.api.get(URL, query).status_code, 422, query)

    def test_ten_are_a_page(self):
        self.assertEqual(self.page(), (self.ids[:10], True))

    def test_the_cursor_goes_on_after_the_last_one_seen(self):
        self.assertEqual(self.page(limit=5, starting_after=self.ids[4]), (self.ids[5:10], True))
        self.assertEqual(self.page(limit=5, starting_after=self.ids[9]), (self.ids[10:], False))

    def test_a_page_that_ends_exactly_at_the_end_has_no_more(self):
        self.assertEqual(self.page(limit=12), (self.ids, False))
        self.assertEqual(self.page(starting_after=self.ids[-1]), ([], False))

    def test_zero_and_nothing_are_the_start(self):
        for start in ("0", ""):
            self.assertEqual(self.page(limit=2, starting_after=start)[0], self.ids[:2])

    def test_a_row_deleted_meanwhile_does_no_harm(self):
        DeviceGroup.objects.filter(pk=self.ids[4]).delete()
        self.assertEqual(self.page(limit=2, starting_after=self.ids[4])[0], self.ids[5:7])

    def test_backwards(self):
        self.assertEqual(self.page(limit=3, direction="desc"), (self.ids[:-4:-1], True))
        self.assertEqual(
            self.page(limit=3, direction="desc", starting_after=self.ids[2])[0], [self.ids[1], self.ids[0]]
        )

    def test_pages_can_be_counted(self):
        self.assertEqual(self.page(limit=5, page=1)[0], self.ids[:5])
        self.assertEqual(self.page(limit=5, page=3), (self.ids[10:], False))
        self.assertEqual(self.page(limit=5, page=4), ([], False))
        self.assertEqual(self.page(page=10**15), ([], False))

    def test_limits_outside_the_bounds_are_moved_to_them(self):
        self.assertEqual(len(self.page(limit=0)[0]), 1)
        self.assertEqual(len(self.page(limit=-5)[0]), 1)
        self.assertEqual(len(self.page(limit=10**30)[0]), 12)

    def test_an_id_beyond_all_ids(self):
        self.assertEqual(self.page(starting_after=10**30), ([], False))
        self.assertEqual(self.page(limit=12, starting_after=10**30, direction="desc")[0], self.ids[::-1])

    def test_what_is_no_number_is_refused(self):
        self.refused(limit="many")
        self.refused(starting_after="abc")
        self.refused(page="first")
        self.refused(direction="up")
        self.refused(**{"limit[]": ["1", "2"]})

    def test_paging_parameters_are_harmless_on_a_single_object(self):
        response = self.api.get(f"{URL}/{self.group.pk}", {"limit": "x", "starting_after": "y"})
        self.assertEqual(response.status_code, 200)

    def test_nothing_of_other_accounts_is_on_any_page(self):
        seen, _ = self.page(limit=100)
        self.assertEqual(seen, self.ids)

    def test_a_page_costs_the_same_however_much_it_holds(self):
        self.api.get(URL)  # notes the use of the key, once a minute
        with self.assertNumQueries(3):  # key, groups, their devices
            self.api.get(URL, {"limit": 1})
        with self.assertNumQueries(3):
            self.api.get(URL, {"limit": 100})
