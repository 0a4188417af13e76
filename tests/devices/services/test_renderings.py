"""Renderings: which values a device's copy of a profile was made of, and when it has to be sent again for other ones."""

from unittest import mock

from devices.models import Device, Profile, ProfileInstall, ProfileVersion
from devices.services import renderings
from devices.services.attributes import set_values
from devices.services.devices import update_device
from devices.services.memberships import assignment_groups_of
from devices.services.renderings import fingerprint, fingerprints, newest_versions, variables_in
from mdm.accounts.actors import SYSTEM
from mdm.commands.models import Command
from mdm.commands.states import State
from tests.apps_catalog.base import ReconcileTestCase
from tests.base import AccountTestCase
from tests.factories import (
    make_attribute,
    make_attribute_value,
    make_channel,
    make_device,
    make_mobileconfig,
    make_payload,
    make_profile,
    make_signed,
)
from tests.factories.due import is_marked, take_marks
from tests.factories.wanted import assign_profile


def content_with(text: str, identifier: str = "") -> bytes:
    return make_mobileconfig(identifier, make_payload(Here=text))


class FingerprintTest(AccountTestCase):
    def test_without_names_there_is_none(self):
        self.assertEqual(fingerprint([], {"room": "1"}), "")

    def test_it_changes_with_each_value_and_with_nothing_else(self):
        first = fingerprint(["room", "site"], {"room": "1", "site": "2", "other": "3"})
        self.assertRegex(first, r"^[0-9a-f]{64}$")
        self.assertEqual(first, fingerprint(["room", "site"], {"site": "2", "room": "1", "other": "4"}))
        others = [
            fingerprint(["room", "site"], values)
            for values in (
                {"room": "2", "site": "2"},
                {"room": "1"},
                {"room": "1", "site": ""},
                {"room": "12", "site": ""},
            )
        ]
        self.assertEqual(len({first, *others}), 5)

    def test_nobody_without_the_servers_key_can_make_it(self):
        first = fingerprint(["pin"], {"pin": "1234"})
        with self.settings(SECRET_KEY="another one"):
            self.assertNotEqual(fingerprint(["pin"], {"pin": "1234"}), first)


class VersionsTest(AccountTestCase):
    def test_names_are_looked_for_once_and_kept(self):
        profile = make_profile(self.account, content=content_with("{{Room}} {{serial_number}} {{room}}"))
        ProfileVersion.objects.update(variables=None)
        self.assertEqual(newest_versions([profile])[profile.pk].variables, ["room", "serial_number"])
        with self.assertNumQueries(1):
            self.assertEqual(newest_versions([profile])[profile.pk].variables, ["room", "serial_number"])

    def test_the_version_in_force_counts(self):
        profile = make_profile(self.account)
        ProfileVersion.objects.create(account=self.account, profile=profile, number=2, content=b"x", digest="", size=1)
        self.assertEqual(newest_versions([profile])[profile.pk].number, 1)
        profile.version = 2
        profile.save()
        self.assertEqual(newest_versions([profile])[profile.pk].number, 2)

    def test_only_plain_xml_has_variables(self):
        plain = content_with("{{room}}")
        binary = make_mobileconfig("", make_payload(Here="{{room}}"), is_binary=True)
        self.assertEqual(variables_in(plain), ["room"])
        for content in (make_signed(plain), binary, content_with("room"), b""):
            self.assertEqual(variables_in(content), [])


class FingerprintsTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.devices = [make_device(self.account) for _ in range(2)]

    def profile(self, text: str, **fields: object) -> Profile:
        return make_profile(self.account, content=content_with(text), **({"attribute_support": True} | fields))

    def of(self, profile: Profile, *channels) -> dict:
        pairs = [(one.device, profile, one) for one in channels or [one.device_channel for one in self.devices]]
        return fingerprints(pairs, newest_versions([profile]), assignment_groups_of(self.devices))

    def test_nothing_is_asked_where_nothing_varies(self):
        for profile in (self.profile("fixed"), self.profile("{{name}}", attribute_support=False)):
            pairs = [(one, profile, one.device_channel) for one in self.devices]
            versions = newest_versions([profile])
            with self.assertNumQueries(0):
                self.assertEqual(fingerprints(pairs, versions, {}), {})

    def test_each_device_has_its_own_and_the_same_values_make_the_same(self):
        found = self.of(self.profile("{{serial_number}}"))
        self.assertEqual(set(found), {(one.pk, key[1], "") for one in self.devices for key in found})
        self.assertEqual(len(set(found.values())), 2)
        self.assertEqual(len(set(self.of(self.profile("{{device_group}}")).values())), 1)

    def test_users_of_a_mac_have_theirs(self):
        mac = make_device(self.account, platform="macOS")
        channels = [make_channel(mac, user_key=name, user_short_name=name) for name in ("ann", "bob")]
        self.devices = [mac]
        self.assertEqual(len(set(self.of(self.profile("{{user_short_name}}"), *channels).values())), 2)
        self.assertEqual(len(set(self.of(self.profile("{{udid}}"), *channels).values())), 1)

    def test_attributes_count_whatever_the_case_of_their_name(self):
        attribute = make_attribute(self.account, "Room", default="1")
        profile = self.profile("{{ROOM}}")
        before = self.of(profile)
        make_attribute_value(self.devices[0], attribute, "2")
        after = self.of(profile)
        changed = [key[0] for key in before if before[key] != after[key]]
        self.assertEqual(changed, [self.devices[0].pk])

    def test_it_takes_as_many_statements_for_many_devices_as_for_one(self):
        make_attribute(self.account, "room")
        profile, counts = self.profile("{{room}}"), []
        for more in (1, 10):
            devices = [make_device(self.account) for _ in range(more)]
            pairs = [(one, profile, one.device_channel) for one in devices]
            versions, groups = newest_versions([profile]), assignment_groups_of(devices)
            with self.assertNumQueries(counts[0] if counts else 5) as queries:
                self.assertEqual(len(fingerprints(pairs, versions, groups)), more)
            counts.append(len(queries))


class SentAgainTest(ReconcileTestCase):
    """A value changes: devices whose rendering is another one get the profile again, and nobody else."""

    def setUp(self):
        super().setUp()
        self.devices = [make_device(self.account) for _ in range(3)]
        self.attribute = make_attribute(self.account, "room", default="lobby")
        self.other_attribute = make_attribute(self.account, "colour")
        self.profile = make_profile(
            self.account, identifier="a.b", content=content_with("{{room}} {{name}}", "a.b"), attribute_support=True
        )
        assign_profile(self.profile, self.group)
        self.reconcile(*self.devices)
        self.answer_all()
        take_marks()

    def answer_all(self) -> None:
        """Each device gets what waits for it, and takes it."""
        for command in Command.objects.filter(state=State.QUEUED).order_by("pk"):
            self.assertIsNotNone(self.deliver(command))
            self.acknowledge(command)

    def give(self, attribute, value: str, *owners) -> None:
        set_values([(owner, attribute, value) for owner in owners], SYSTEM)

    def sent_to(self) -> set[int]:
        """The devices for which the profile waits after all that is marked was compared."""
        self.reconcile_marked()
        waiting = Command.objects.filter(state=State.QUEUED, request_type="InstallProfile")
        return set(waiting.values_list("channel__device", flat=True))

    def test_what_was_delivered_is_remembered_without_its_values(self):
        found = set(ProfileInstall.objects.values_list("rendered", flat=True))
        self.assertEqual(len(found), 3)
        self.assertFalse(any("lobby" in one for one in found))

    def test_the_same_values_send_nothing(self):
        self.reconcile(*self.devices)
        self.assertEqual(self.sent_to(), set())

    def test_a_value_of_one_device_concerns_that_device(self):
        self.give(self.attribute, "2.01", self.devices[0])
        self.assertEqual(self.sent_to(), {self.devices[0].pk})

    def test_a_value_of_the_group_concerns_those_that_have_none_of_their_own(self):
        self.give(self.attribute, "2.01", self.devices[0])
        self.reconcile_marked()
        self.answer_all()
        self.give(self.attribute, "hall", self.group)
        self.assertEqual(self.sent_to(), {device.pk for device in self.devices[1:]})

    def test_the_value_that_it_had_anyhow_sends_nothing(self):
        self.give(self.attribute, "lobby", self.devices[0])
        self.assertTrue(is_marked(self.devices[0]))
        self.assertEqual(self.sent_to(), set())

    def test_an_attribute_that_the_profile_does_not_name_sends_nothing(self):
        self.give(self.other_attribute, "red", self.group)
        self.assertEqual(self.sent_to(), set())

    def test_a_fact_of_the_device_counts_too(self):
        update_device(self.devices[1], name="Reception", actor=SYSTEM)
        self.assertEqual(self.sent_to(), {self.devices[1].pk})

    def test_without_attribute_support_nothing_is_filled_in_and_nothing_sent(self):
        Profile.objects.update(attribute_support=False)
        ProfileInstall.objects.update(rendered="")
        self.give(self.attribute, "2.01", self.group)
        self.assertEqual(self.sent_to(), set())

    def test_two_changes_before_it_is_delivered_are_one_command(self):
        self.give(self.attribute, "1", self.devices[0])
        self.assertEqual(self.sent_to(), {self.devices[0].pk})
        self.give(self.attribute, "2", self.devices[0])
        self.reconcile_marked()
        self.assertEqual(Command.objects.filter(state=State.QUEUED).count(), 1)
        self.answer_all()
        self.assertEqual(self.sent_to(), set())

    def test_a_value_that_changes_while_the_device_installs_is_sent_afterwards(self):
        self.give(self.attribute, "1", self.devices[0])
        self.reconcile_marked()
        command = Command.objects.get(state=State.QUEUED)
        self.deliver(command)
        Command.objects.filter(pk=command.pk).update(state=State.SENT)
        self.give(self.attribute, "2", self.devices[0])
        self.assertEqual(self.sent_to(), {self.devices[0].pk})

    def test_what_was_refused_with_these_values_is_sent_again_with_others(self):
        self.give(self.attribute, "wrong", self.devices[0])
        self.reconcile_marked()
        command = Command.objects.get(state=State.QUEUED)
        self.deliver(command)
        self.refuse(command, "No such room.")
        self.reconcile(self.devices[0])
        self.assertEqual(self.sent_to(), set())
        self.give(self.attribute, "2.01", self.devices[0])
        self.assertEqual(self.sent_to(), {self.devices[0].pk})

    def test_values_that_the_profile_cannot_take_are_shown_and_mended_by_others(self):
        self.give(self.attribute, "<", self.devices[0])
        self.reconcile_marked()
        self.assertIsNone(self.deliver(Command.objects.get(state=State.QUEUED)))
        install = ProfileInstall.objects.get(device=self.devices[0])
        self.assertEqual(install.state, "failed")
        self.assertIn("With this device's values filled in", install.error)
        self.give(self.attribute, "fine", self.devices[0])
        self.assertEqual(self.sent_to(), {self.devices[0].pk})

    def test_the_values_are_asked_for_once_for_all_devices(self):
        with mock.patch.object(renderings, "variables_for", wraps=renderings.variables_for) as asked:
            self.reconcile(*self.devices)
        self.assertEqual(asked.call_count, 1)
        self.assertEqual(
            {device.pk for device in asked.call_args.args[0]}, set(Device.objects.values_list("pk", flat=True))
        )
