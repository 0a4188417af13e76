from django.db import connection
from django.test.utils import CaptureQueriesContext

from devices.models import AttributeValue, CustomAttribute
from devices.services.attributes import (
    MAX_VALUE_BYTES,
    change_attribute,
    create_attribute,
    delete_attribute,
    set_value,
    set_values,
    values_for,
    values_of,
)
from devices.services.errors import NotPossible
from mdm.accounts.actors import SYSTEM
from mdm.events.models import Event
from tests.base import AccountTestCase
from tests.factories import (
    make_assignment_group,
    make_attribute,
    make_attribute_value,
    make_device,
    make_group,
)
from tests.factories.due import take_marks


class AttributesTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account)
        self.bystander = make_device(self.account, group=make_group(self.account))

    def due(self) -> set[int]:
        """The devices marked since the last look."""
        return {device.pk for device in take_marks()}

    def stored(self, attribute) -> list[tuple[str, bool]]:
        """The values as the columns hold them: the plain text, and whether there is an encrypted one."""
        rows = CustomAttribute.objects.filter(pk=attribute.pk).values_list("plain", "sealed")
        rows = [
            *rows,
            *AttributeValue.objects.filter(attribute=attribute).order_by("pk").values_list("plain", "sealed"),
        ]
        return [(plain, bool(sealed)) for plain, sealed in rows]


class DefinitionTest(AttributesTestCase):
    def test_names_are_made_of_letters_digits_and_underscores(self):
        for name in ("", "two words", "dash-ed", "ümlaut", "dot.ted", "line\n", "x" * 256, "{{x}}"):
            with self.assertRaisesMessage(NotPossible, "letters from a to z"):
                create_attribute(self.account, name=name, actor=SYSTEM)
        self.assertEqual(CustomAttribute.objects.count(), 0)

    def test_a_name_is_taken_whatever_its_case_but_only_in_its_account(self):
        create_attribute(self.account, name="Office", actor=SYSTEM)
        with self.assertRaisesMessage(NotPossible, "There is a custom attribute called oFFICE already."):
            create_attribute(self.account, name="oFFICE", actor=SYSTEM)
        create_attribute(self.other_account, name="office", actor=SYSTEM)
        self.assertEqual(Event.objects.filter(event_type="custom_attribute.created").count(), 2)

    def test_a_secret_default_is_encrypted(self):
        attribute = create_attribute(self.account, name="key", default_value="hush", is_secret=True, actor=SYSTEM)
        self.assertEqual(self.stored(attribute), [("", True)])
        self.assertEqual(CustomAttribute.objects.get().value, "hush")

    def test_a_new_one_and_a_new_default_concern_all_devices_and_nothing_else_does(self):
        make_device(self.other_account)
        attribute = create_attribute(self.account, name="office", actor=SYSTEM)
        self.assertEqual(self.due(), {self.device.pk, self.bystander.pk})
        change_attribute(attribute, default_value="Berlin", actor=SYSTEM)
        self.assertEqual(self.due(), {self.device.pk, self.bystander.pk})
        change_attribute(attribute, default_value="Berlin", actor=SYSTEM)
        change_attribute(attribute, is_secret=True, actor=SYSTEM)
        self.assertEqual(self.due(), set())
        delete_attribute(attribute, SYSTEM)
        self.assertEqual(self.due(), {self.device.pk, self.bystander.pk})

    def test_becoming_secret_and_back_moves_default_and_values(self):
        attribute = make_attribute(self.account, default="all")
        make_attribute_value(self.device, attribute, "one")
        make_attribute_value(self.group, attribute, "some")
        change_attribute(attribute, is_secret=True, actor=SYSTEM)
        self.assertEqual(self.stored(attribute), [("", True)] * 3)
        self.assertEqual(values_of(self.device)[attribute.name].value, "one")
        self.assertEqual(values_of(self.bystander)[attribute.name].value, "all")
        change_attribute(attribute, is_secret=False, actor=SYSTEM)
        self.assertEqual(self.stored(attribute), [("all", False), ("one", False), ("some", False)])

    def test_the_log_says_what_changed_and_no_value(self):
        attribute = create_attribute(self.account, name="key", default_value="hush", is_secret=True, actor=SYSTEM)
        change_attribute(attribute, default_value="hush hush", is_secret=False, actor=SYSTEM)
        change_attribute(attribute, default_value="hush hush", is_secret=False, actor=SYSTEM)
        event = Event.objects.get(event_type="custom_attribute.updated")
        self.assertEqual(event.metadata, {"name": "key", "changed": ["default_value", "secret"], "secret": False})
        self.assertNotIn("hush", str(list(Event.objects.values_list("metadata", flat=True))))

    def test_deleting_takes_the_values_along(self):
        attribute, other = make_attribute(self.account), make_attribute(self.account)
        make_attribute_value(self.device, attribute)
        kept = make_attribute_value(self.device, other)
        delete_attribute(attribute, SYSTEM)
        self.assertEqual(list(AttributeValue.objects.all()), [kept])
        with self.assertRaisesMessage(NotPossible, "deleted meanwhile"):
            delete_attribute(attribute, SYSTEM)


class SetValueTest(AttributesTestCase):
    def setUp(self):
        super().setUp()
        self.attribute = make_attribute(self.account, "office", default="Berlin")

    def test_it_stores_logs_and_marks_once(self):
        self.assertTrue(set_value(self.device, self.attribute, "Rome", SYSTEM))
        self.assertEqual(self.due(), {self.device.pk})
        self.assertFalse(set_value(self.device, self.attribute, "Rome", SYSTEM))
        self.assertEqual(self.due(), set())
        event = Event.objects.get(event_type="custom_attribute.value_set")
        self.assertEqual(event.device, self.device)
        self.assertEqual(event.metadata, {"name": "office", "device_id": self.device.pk, "cleared": False})

    def test_an_empty_text_takes_the_value_back(self):
        set_value(self.device, self.attribute, "Rome", SYSTEM)
        self.assertTrue(set_value(self.device, self.attribute, "", SYSTEM))
        self.assertEqual(AttributeValue.objects.count(), 0)
        self.assertEqual(values_of(self.device)["office"].value, "Berlin")
        self.assertFalse(set_value(self.device, self.attribute, "", SYSTEM))
        self.assertEqual(Event.objects.filter(event_type="custom_attribute.value_set").count(), 2)

    def test_values_of_secret_attributes_are_encrypted(self):
        secret = make_attribute(self.account, secret=True)
        stale = CustomAttribute.objects.get(pk=self.attribute.pk)
        change_attribute(self.attribute, is_secret=True, actor=SYSTEM)
        set_value(self.device, secret, "hush", SYSTEM)
        set_value(self.device, stale, "hush", SYSTEM)
        self.assertEqual(set(AttributeValue.objects.values_list("plain", flat=True)), {""})
        self.assertEqual({row.value for row in AttributeValue.objects.all()}, {"hush"})

    def test_a_value_has_a_bound_in_bytes(self):
        self.assertTrue(set_value(self.device, self.attribute, "x" * MAX_VALUE_BYTES, SYSTEM))
        with self.assertRaisesMessage(NotPossible, "65536 bytes"):
            set_value(self.device, self.attribute, "ü" * (MAX_VALUE_BYTES // 2) + "x", SYSTEM)

    def test_of_several_all_are_set_or_none(self):
        with self.assertRaises(NotPossible):
            wanted = [(self.device, self.attribute, "Rome"), (self.bystander, self.attribute, "x" * 100_000)]
            set_values(wanted, SYSTEM)
        self.assertEqual((AttributeValue.objects.count(), self.due()), (0, set()))

    def test_only_what_differs_is_changed_and_the_last_of_a_pair_counts(self):
        set_value(self.device, self.attribute, "Rome", SYSTEM)
        self.due()
        wanted = [
            (self.device, self.attribute, "Rome"),
            (self.bystander, self.attribute, "Oslo"),
            (self.bystander, self.attribute, "Paris"),
        ]
        self.assertEqual(set_values(wanted, SYSTEM), 1)
        self.assertEqual(self.due(), {self.bystander.pk})
        self.assertEqual(values_of(self.bystander)["office"].value, "Paris")
        self.assertEqual(set_values([], SYSTEM), 0)

    def test_values_of_groups_concern_their_devices(self):
        set_value(self.group, self.attribute, "Rome", SYSTEM)
        self.assertEqual(self.due(), {self.device.pk})
        joined = make_assignment_group(self.account, members=[self.bystander.group])
        set_value(joined, self.attribute, "Rome", SYSTEM)
        self.assertEqual(self.due(), {self.bystander.pk})
        events = Event.objects.filter(event_type="custom_attribute.value_set").order_by("pk")
        self.assertEqual(events[0].metadata["device_group_id"], self.group.pk)
        self.assertEqual(events[1].metadata["assignment_group_id"], joined.pk)

    def test_many_devices_take_few_statements(self):
        def statements(count: int) -> int:
            devices = [make_device(self.account) for _ in range(count)]
            with CaptureQueriesContext(connection) as queries:
                set_values([(device, self.attribute, "Rome") for device in devices], SYSTEM)
            return len(queries)

        self.assertEqual(statements(2), statements(12))

    def test_an_attribute_that_was_deleted_meanwhile_is_refused(self):
        CustomAttribute.objects.filter(pk=self.attribute.pk).delete()
        with self.assertRaisesMessage(NotPossible, "deleted meanwhile"):
            set_value(self.device, self.attribute, "Rome", SYSTEM)


class PrecedenceTest(AttributesTestCase):
    def setUp(self):
        super().setUp()
        self.attribute = make_attribute(self.account, "office")

    def assert_counts(self, value: str, source: str, device=None) -> None:
        found = values_of(device or self.device)["office"]
        self.assertEqual((found.value, found.source), (value, source))

    def test_device_before_device_group_before_assignment_groups_before_account(self):
        self.assert_counts("", "account")
        self.assertFalse(values_of(self.device)["office"].is_set)
        change_attribute(self.attribute, default_value="default", actor=SYSTEM)
        self.assert_counts("default", "account")
        make_attribute_value(
            make_assignment_group(self.account, priority=2, members=[self.device]), self.attribute, "second"
        )
        self.assert_counts("second", "group")
        first = make_assignment_group(self.account, priority=1, members=[self.group])
        make_attribute_value(first, self.attribute, "first")
        make_attribute_value(
            make_assignment_group(self.account, priority=1, members=[self.device]), self.attribute, "later"
        )
        make_attribute_value(make_assignment_group(self.account, priority=0), self.attribute, "not a member")
        self.assert_counts("first", "group")
        make_attribute_value(self.group, self.attribute, "device group")
        self.assert_counts("device group", "group")
        make_attribute_value(self.device, self.attribute, "own")
        self.assert_counts("own", "device")
        self.assert_counts("default", "account", self.bystander)

    def test_a_group_has_its_own_values_and_those_of_the_account(self):
        make_attribute(self.account, "floor", default="1")
        joined = make_assignment_group(self.account)
        for group in (self.group, joined):
            make_attribute_value(group, self.attribute, "Rome")
            found = {name: (one.value, one.source) for name, one in values_of(group).items()}
            self.assertEqual(found, {"office": ("Rome", "group"), "floor": ("1", "account")})

    def test_the_order_is_that_of_the_attributes_and_some_can_be_asked_for(self):
        later = make_attribute(self.account, "a_later_one")
        make_attribute_value(self.device, later)
        self.assertEqual(list(values_of(self.device)), ["office", "a_later_one"])
        self.assertEqual(list(values_of(self.device, [later])), ["a_later_one"])
        self.assertEqual(list(values_of(self.group, [later])), ["a_later_one"])

    def test_devices_of_several_accounts_do_not_mix(self):
        foreign = make_device(self.other_account)
        make_attribute(self.other_account, "office", default="theirs")
        make_attribute_value(self.device, self.attribute, "ours")
        found = values_for([self.device, foreign])
        self.assertEqual(
            {pk: [one.value for one in values.values()] for pk, values in found.items()},
            {self.device.pk: ["ours"], foreign.pk: ["theirs"]},
        )

    def test_without_attributes_there_is_nothing(self):
        foreign = make_device(self.other_account)
        self.assertEqual(values_for([foreign]), {foreign.pk: {}})
        self.assertEqual((values_for([]), values_of(make_group(self.other_account))), ({}, {}))

    def test_it_takes_three_statements_whatever_there_is(self):
        devices = [make_device(self.account, group=make_group(self.account)) for _ in range(5)]
        for device in devices:
            make_attribute_value(device, make_attribute(self.account, secret=True))
            group = make_assignment_group(self.account, members=[device, device.group])
            make_attribute_value(group, self.attribute)
            make_attribute_value(device.group, self.attribute)
        for some in (devices[:1], devices):
            with self.assertNumQueries(3):
                found = values_for(some)
                self.assertTrue(all(one.value or one.value == "" for one in found[some[0].pk].values()))
