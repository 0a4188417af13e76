"""Enrollment settings as people change them: what is stored, what is refused and in which words, what the log says."""

from django.db import connection

from enrollment.models import DepSettings, PrimaryAccount
from enrollment.services.dep_settings import BadSettings, remove_settings, settings_of, update_settings
from mdm.accounts.actors import SYSTEM
from tests.enrollment.dep_base import DepCase, facts
from tests.factories import make_account, make_dep_settings, make_group

OFFICE = {"profile_name": "Office"}
WAITS = OFFICE | {"await_device_configured": True}


class SettingsCase(DepCase):
    def make(self, **given: object) -> DepSettings:
        return update_settings(self.server, actor=SYSTEM, **({"device_group": self.group, "options": OFFICE} | given))

    def refused(self, **given: object) -> dict[str, str]:
        count = DepSettings.objects.count()
        with self.assertRaises(BadSettings) as raised:
            self.make(**given)
        self.assertEqual(DepSettings.objects.count(), count)
        return raised.exception.faults


class UpdateTest(SettingsCase):
    def test_the_first_ones(self) -> None:
        settings = self.make()
        self.assertEqual((settings.server, settings.account), (self.server, self.account))
        self.assertIsNotNone(settings.due_at)
        self.assertGreater(len(settings.token), 30)
        self.assertTrue(settings.options["is_supervised"])
        self.assertEqual(facts("dep_settings.created")[0]["dep_server_id"], self.server.pk)

    def test_a_change_keeps_what_is_not_given(self) -> None:
        first = self.make(options=OFFICE | {"department": "Sales"}, minimum_os={"iOS": "17.5"})
        update_settings(self.server, actor=SYSTEM, options={"support_phone_number": "1"})
        settings = DepSettings.objects.get()
        self.assertEqual((settings.token, settings.minimum_os), (first.token, {"iOS": "17.5"}))
        self.assertEqual((settings.options["department"], settings.options["support_phone_number"]), ("Sales", "1"))
        self.assertEqual(facts("dep_settings.updated")[0]["changed"], ["support_phone_number"])

    def test_the_columns_of_a_worker_are_left_alone(self) -> None:
        self.make()
        DepSettings.objects.update(profile_uuid="AB", started_at=self.account.created_at)
        update_settings(self.server, actor=SYSTEM, options={"department": "Sales"})
        settings = DepSettings.objects.get()
        self.assertEqual((settings.profile_uuid, settings.started_at), ("AB", self.account.created_at))

    def test_apples_keys_are_checked(self) -> None:
        self.assertIn("profile_name", self.refused(options={}))
        self.assertIn("is_mdm_removable", self.refused(options=OFFICE | {"is_supervised": False}))

    def test_a_group_is_needed_and_must_be_the_accounts(self) -> None:
        self.assertIn("device_group", self.refused(device_group=None))
        foreign = make_group(make_account(), "Elsewhere")
        self.assertIn("no such device group", self.refused(device_group=foreign)["device_group"])

    def test_the_least_version_is_one(self) -> None:
        self.assertEqual(self.make(minimum_os={"iOS": "17", "macOS": "14.6.1"}).minimum_os["macOS"], "14.6.1")
        self.assertIn("no version", self.refused(minimum_os={"iOS": "new"})["minimum_os"])
        self.assertIn("cannot be asked", self.refused(minimum_os={"watchOS": "10"})["minimum_os"])

    def test_a_field_that_does_not_exist_is_a_mistake_of_the_caller(self) -> None:
        with self.assertRaises(TypeError):
            self.make(token="mine")


class AccountsTest(SettingsCase):
    ADMIN = {"admin_short_name": "admin", "admin_password": "correct horse", "options": WAITS}

    def test_an_administrator_account_with_its_password_encrypted(self) -> None:
        settings = self.make(**self.ADMIN)
        self.assertEqual(DepSettings.objects.get().admin_password, "correct horse")
        with connection.cursor() as cursor:
            cursor.execute("SELECT admin_password FROM enrollment_depsettings")
            self.assertNotIn(b"correct", bytes(cursor.fetchone()[0]))
        self.assertNotIn("correct", repr(settings) + str(facts("dep_settings.created")))

    def test_no_password_keeps_the_present_one_and_no_name_forgets_it(self) -> None:
        self.make(**self.ADMIN)
        for password in (None, ""):
            self.make(admin_short_name="root2", admin_password=password)
            self.assertEqual(DepSettings.objects.get().admin_password, "correct horse")
        self.make(admin_short_name="")
        self.assertFalse(DepSettings.objects.get().admin_password)

    def test_the_log_says_that_the_password_changed_and_not_to_what(self) -> None:
        self.make(**self.ADMIN)
        self.make(admin_password="another one")
        self.assertEqual(facts("dep_settings.updated")[0]["changed"], ["admin_password"])

    def test_it_needs_a_password_and_a_name_that_macos_takes(self) -> None:
        self.assertIn("admin_password", self.refused(options=WAITS, admin_short_name="admin"))
        for name in ("Admin", "1st", "two words", "x" * 65):
            self.assertIn("admin_short_name", self.refused(**self.ADMIN | {"admin_short_name": name}), name)

    def test_somebody_must_be_administrator(self) -> None:
        for kind in (PrimaryAccount.STANDARD, PrimaryAccount.NONE):
            self.assertIn("admin_short_name", self.refused(options=WAITS, primary_account=kind))
        for kind in (PrimaryAccount.STANDARD, PrimaryAccount.NONE):
            self.assertEqual(self.make(**self.ADMIN, primary_account=kind).primary_account, kind)
        self.assertIn("primary_account", self.refused(primary_account="king"))

    def test_accounts_are_made_while_the_mac_waits(self) -> None:
        self.assertIn("await_device_configured", self.refused(**self.ADMIN | {"options": OFFICE}))
        self.assertIn("await_device_configured", self.refused(primary_full_name="Anna"))

    def test_only_given_names_can_be_locked(self) -> None:
        self.assertIn("locks_primary_account", self.refused(options=WAITS, locks_primary_account=True))
        self.make(options=WAITS, locks_primary_account=True, primary_user_name="anna")

    def test_the_names_of_the_person(self) -> None:
        self.assertIn("primary_user_name", self.refused(options=WAITS, primary_user_name="Anna B"))
        self.assertIn("primary_full_name", self.refused(options=WAITS, primary_full_name="x" * 256))


class SettingsOfTest(DepCase):
    def test_deleted_ones_are_none(self) -> None:
        self.assertIsNone(settings_of(self.server))
        made = make_dep_settings(self.server)
        self.assertEqual(settings_of(self.server), made)
        remove_settings(made, SYSTEM)
        self.assertIsNone(settings_of(self.server))
