"""Nothing crosses accounts: every model belongs to one, and the one filter hides the rows of the others."""

from django.apps import apps
from django.conf import settings
from django.db import models

from devices.models import Device
from devices.services.devices import remove_device
from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Account, User
from mdm.accounts.scoping import AccountQuerySet, AccountScoped
from mdm.events.models import LogForwarder
from mdm.running.models import Heartbeat, Probe, ScheduledRun
from mdm.sign_in.models import PasswordReset, SignInTry
from tests.base import AccountTestCase
from tests.factories import make_command, make_device, make_enrollment, make_event, make_installed_app

OWN_APPS = {
    config.label
    for config in apps.get_app_configs()
    if not config.name.startswith(("django.", "rest_framework", "allauth."))
}
# What stands above accounts: the accounts themselves, people, who may belong to several, and what serves all accounts.
NOT_OWNED = {Account, User, LogForwarder, Heartbeat, Probe, ScheduledRun, SignInTry, PasswordReset}


def own_models() -> list[type[models.Model]]:
    found = [model for model in apps.get_models(include_auto_created=True) if model._meta.app_label in OWN_APPS]
    joining = {User.groups.through, User.user_permissions.through}  # Django's own, of people
    return [model for model in found if model not in NOT_OWNED | joining]


class EveryModelTest(AccountTestCase):
    def test_there_are_models_to_look_at(self) -> None:
        self.assertGreater(len(own_models()), 15)

    def test_every_model_belongs_to_an_account(self) -> None:
        strays = [model._meta.label for model in own_models() if not issubclass(model, AccountScoped)]
        self.assertEqual(strays, [])

    def test_the_account_is_never_optional_and_never_editable(self) -> None:
        for model in own_models():
            account = model._meta.get_field("account")
            self.assertEqual((account.null, account.editable), (False, False), model._meta.label)
            self.assertIs(account.remote_field.on_delete, models.CASCADE, model._meta.label)

    def test_every_manager_has_the_filter(self) -> None:
        for model in own_models():
            self.assertIsInstance(model._default_manager.all(), AccountQuerySet, model._meta.label)

    def test_the_user_model_is_ours(self) -> None:
        self.assertEqual(settings.AUTH_USER_MODEL, "mdm_accounts.User")


class ForAccountTest(AccountTestCase):
    def test_rows_of_another_account_are_not_there(self) -> None:
        for account in (self.account, self.other_account):
            device = make_device(account)
            make_installed_app(device)
            make_command(device)
            make_enrollment(account)
            make_event(account)
        for model in own_models():
            every = model._default_manager.all()
            mine = model._default_manager.for_account(self.account)
            self.assertEqual({row.account_id for row in mine} - {self.account.pk}, set(), model._meta.label)
            self.assertEqual(set(mine), {row for row in every if row.account_id == self.account.pk}, model._meta.label)

    def test_a_removed_device_is_in_no_list(self) -> None:
        device = make_device(self.account)
        remove_device(device, SYSTEM)
        self.assertFalse(Device.objects.for_account(self.account).filter(pk=device.pk).exists())
        self.assertTrue(Device.objects.filter(pk=device.pk).exists())

    def test_an_account_can_be_given_by_its_key(self) -> None:
        device = make_device(self.account)
        self.assertEqual(list(Device.objects.for_account(self.account.pk)), [device])

    def test_a_row_of_one_account_hangs_on_nothing_of_another(self) -> None:
        """The accounts of a row and of the row that it points at are the same, wherever both have one."""
        for account in (self.account, self.other_account):
            make_command(make_device(account))
        for model in own_models():
            for field in model._meta.concrete_fields:
                target = field.related_model
                if target is None or not issubclass(target, AccountScoped):
                    continue
                for row in model._default_manager.exclude(**{field.name: None}).select_related(field.name):
                    self.assertEqual(getattr(row, field.name).account_id, row.account_id, f"{model}.{field.name}")
