"""Taking reported apps under management, updating and removing them; sending a device its assigned apps."""

from unittest import mock

from apps_catalog.services.installed import push_assigned_apps, request_management, uninstall, update
from devices.models import InstalledApp
from devices.services.errors import NotEnrolled, NotPossible
from mdm.accounts.actors import Actor, Source
from mdm.channels.models import Channel, ChannelState
from mdm.commands.models import Command
from mdm.events.models import Event
from mdm.protocol.request_types import NotSupported
from mdm.protocol.request_types.managed_apps import managed_application_list
from tests.apps_catalog.base import OneDeviceTestCase
from tests.base import AccountTestCase
from tests.factories import make_assignment_group, make_device, make_installed_app
from tests.factories.wanted import make_store_app

API = Actor(Source.API, "Munki")
IDENTIFIER = "com.example.notes"


class InstalledTestCase(AccountTestCase):
    def reported(self, *, is_managed: bool, **device: object) -> InstalledApp:
        return make_installed_app(make_device(self.account, **device), IDENTIFIER, is_managed=is_managed)

    def sent(self) -> tuple[str, dict]:
        command = Command.objects.get()
        return command.request_type, command.parameters


class RequestManagementTest(InstalledTestCase):
    def test_devices_are_asked_to_take_it_over(self):
        for facts in ({"platform": "iOS"}, {"platform": "tvOS"}, {"platform": "macOS", "os_version": "11.0"}):
            installed = self.reported(is_managed=False, **facts)
            command = request_management(installed, API)
            self.assertEqual(
                (command.request_type, command.parameters, command.channel.device),
                (
                    "InstallApplication",
                    {"Identifier": IDENTIFIER, "ChangeManagementState": "Managed"},
                    installed.device,
                ),
            )

    def test_it_is_refused_where_it_makes_no_sense(self):
        for installed, error, why in (
            (self.reported(is_managed=True), NotPossible, "managed already"),
            (self.reported(is_managed=False, platform="macOS", os_version="10.15.7"), NotSupported, "macOS 11"),
            (self.reported(is_managed=False, is_user_enrollment=True), NotSupported, "User Enrollment"),
            (self.reported(is_managed=False, enrolled=False), NotEnrolled, "not enrolled"),
        ):
            with self.assertRaisesRegex(error, why):
                request_management(installed, API)
        self.assertFalse(Command.objects.exists())


class AfterTakeOverTest(OneDeviceTestCase):
    def setUp(self):
        super().setUp()
        self.notes = make_installed_app(self.device, IDENTIFIER, is_managed=False)

    def test_the_device_is_asked_at_once_whether_it_manages_the_app_now(self):
        self.acknowledge(request_management(self.notes, API), Identifier=IDENTIFIER, State="Managed")
        question = self.waiting("ManagedApplicationList")
        self.assertEqual(question.parameters, managed_application_list().parameters)
        self.acknowledge(question, ManagedApplicationList={IDENTIFIER: {"Status": "Managed"}})
        self.notes.refresh_from_db()
        self.assertTrue(self.notes.is_managed)

    def test_nobody_is_asked_when_the_device_left_meanwhile(self):
        command = request_management(self.notes, API)
        Channel.objects.update(state=ChannelState.CLOSED)
        self.acknowledge(command, Identifier=IDENTIFIER, State="Managed")
        self.assertEqual(Command.objects.count(), 1)


class NamelessTest(InstalledTestCase):
    def test_about_an_app_without_bundle_identifier_nothing_can_be_asked(self):
        for function, is_managed in ((request_management, False), (update, True), (uninstall, True)):
            installed = self.reported(is_managed=is_managed)
            installed.identifier = ""
            with self.assertRaisesMessage(NotPossible, "no bundle identifier"):
                function(installed, API)
        self.assertFalse(Command.objects.exists())


class UpdateTest(InstalledTestCase):
    def test_an_app_of_the_catalogue_is_sent_as_the_catalogue_has_it(self):
        app = make_store_app(self.account, bundle_identifier=IDENTIFIER)
        update(self.reported(is_managed=True), API)
        request_type, parameters = self.sent()
        self.assertEqual((request_type, parameters["app"]), ("InstallApplication", app.pk))

    def test_any_other_app_comes_from_the_app_store(self):
        make_store_app(self.other_account, bundle_identifier=IDENTIFIER)
        make_store_app(self.account, bundle_identifier=IDENTIFIER, platform_support="macOS")
        update(self.reported(is_managed=True), API)
        self.assertEqual(self.sent(), ("InstallApplication", {"Identifier": IDENTIFIER}))

    def test_on_a_mac_it_stays_managed(self):
        update(self.reported(is_managed=True, platform="macOS"), API)
        self.assertEqual(self.sent(), ("InstallApplication", {"Identifier": IDENTIFIER, "InstallAsManaged": True}))

    def test_the_entry_for_the_platform_counts(self):
        make_store_app(self.account, bundle_identifier=IDENTIFIER, platform_support="")
        app = make_store_app(self.account, bundle_identifier=IDENTIFIER, platform_support="iOS")
        update(self.reported(is_managed=True), API)
        self.assertEqual(self.sent()[1]["app"], app.pk)

    def test_it_is_refused_where_it_makes_no_sense(self):
        for installed, error, why in (
            (self.reported(is_managed=False), NotPossible, "Only a managed app can be updated"),
            (self.reported(is_managed=True, enrolled=False), NotEnrolled, "not enrolled"),
        ):
            with self.assertRaisesRegex(error, why):
                update(installed, API)
        self.assertFalse(Command.objects.exists())

    def test_what_the_catalogue_cannot_install_there_is_said(self):
        make_store_app(self.account, bundle_identifier=IDENTIFIER)
        with (
            mock.patch("apps_catalog.services.installed.installs.install", return_value=0),
            self.assertRaisesMessage(NotPossible, "cannot be installed on this device"),
        ):
            update(self.reported(is_managed=True), API)
        self.assertFalse(Event.objects.exists())


class UninstallTest(InstalledTestCase):
    def test_a_managed_app_is_removed(self):
        uninstall(self.reported(is_managed=True), API)
        self.assertEqual(self.sent(), ("RemoveApplication", {"Identifier": IDENTIFIER}))

    def test_it_is_refused_where_it_makes_no_sense(self):
        for installed, error, why in (
            (self.reported(is_managed=False), NotPossible, "Only a managed app can be removed"),
            (self.reported(is_managed=True, enrolled=False), NotEnrolled, "not enrolled"),
            (self.reported(is_managed=True, platform="macOS", os_version="10.15"), NotSupported, "macOS 11"),
        ):
            with self.assertRaisesRegex(error, why):
                uninstall(installed, API)
        self.assertFalse(Command.objects.exists())


class PushAssignedAppsTest(InstalledTestCase):
    def test_the_device_gets_what_it_has_not(self):
        device, neighbour = make_device(self.account), make_device(self.account)
        has, misses = make_store_app(self.account), make_store_app(self.account)
        make_assignment_group(self.account, members=[device, neighbour], apps=[has, misses], auto_deploy=False)
        make_installed_app(device, has.bundle_identifier)
        self.assertEqual(push_assigned_apps(device, API), 1)
        command = Command.objects.get()
        self.assertEqual((command.channel.device, command.parameters["app"]), (device, misses.pk))

    def test_a_device_that_is_not_enrolled_is_refused(self):
        with self.assertRaises(NotEnrolled):
            push_assigned_apps(make_device(self.account, enrolled=False), API)
        self.assertFalse(Event.objects.exists())
