"""Accounts, people and API keys."""

from datetime import timedelta
from itertools import pairwise

from django.utils import timezone

from mdm.accounts import services
from mdm.accounts.models import Account, ApiKey, Membership, Role, User
from mdm.accounts.permissions import ROLE_ACTIONS, Action, may, role_in
from tests.base import AccountTestCase


class CreateAccountTest(AccountTestCase):
    def test_an_account_has_an_owner_from_the_start(self) -> None:
        account, user = services.create_account(
            "New", owner_email="New@Example.com", password="a good password", license_total=5
        )
        self.assertEqual((account.license_total, user.email), (5, "new@example.com"))
        self.assertTrue(user.check_password("a good password"))
        self.assertEqual(role_in(user, account), Role.OWNER)

    def test_a_person_who_exists_keeps_name_and_password(self) -> None:
        account, user = services.create_account("Second", owner_email="OWNER@example.com", password="another one")
        self.assertEqual(user, self.owner)
        self.assertFalse(user.check_password("another one"))
        self.assertEqual(role_in(user, account), Role.OWNER)
        self.assertEqual(role_in(user, self.account), Role.OWNER)

    def test_nothing_is_left_of_an_account_that_could_not_be_opened(self) -> None:
        count = Account.objects.count()
        with self.assertRaises(TypeError):
            services.create_account("New", owner_email="new@example.com", no_such_field=1)
        self.assertEqual(Account.objects.count(), count)
        self.assertFalse(User.objects.filter(email="new@example.com").exists())


class ApiKeyTest(AccountTestCase):
    def test_the_key_is_shown_once_and_only_its_digest_is_kept(self) -> None:
        row, secret = services.create_api_key(self.account, name="Script", created_by=self.owner)
        self.assertRegex(secret, r"^[A-Za-z0-9]{40,}$")
        self.assertTrue(secret.startswith(row.prefix))
        stored = str(ApiKey.objects.filter(pk=row.pk).values().get())
        self.assertNotIn(secret, stored)
        self.assertNotIn(secret[6:], stored)

    def test_a_key_is_found_with_its_account_in_one_statement_when_it_was_used_lately(self) -> None:
        services.find_api_key(self.key)
        with self.assertNumQueries(1):
            found = services.find_api_key(self.key)
            self.assertEqual(found.account.name, "Acme")

    def test_the_last_use_is_noted_at_most_once_a_minute(self) -> None:
        services.find_api_key(self.key)
        first = ApiKey.objects.get(pk=self.api_key.pk).last_used_at
        self.assertLess(timezone.now() - first, timedelta(seconds=30))
        services.find_api_key(self.key)
        self.assertEqual(ApiKey.objects.get(pk=self.api_key.pk).last_used_at, first)
        ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
        services.find_api_key(self.key)
        self.assertGreaterEqual(ApiKey.objects.get(pk=self.api_key.pk).last_used_at, first)

    def test_what_is_no_key_finds_nothing(self) -> None:
        for secret in ("", "x", self.key[:-1], self.key + "x", self.key.swapcase(), self.api_key.digest):
            self.assertIsNone(services.find_api_key(secret))

    def test_a_revoked_key_opens_nothing_and_is_revoked_once(self) -> None:
        self.assertEqual([services.revoke_api_key(self.api_key) for _ in range(2)], [True, False])
        self.assertIsNone(services.find_api_key(self.key))
        self.assertEqual(services.find_api_key(self.outsider_key).account, self.other_account)


class PermissionsTest(AccountTestCase):
    def test_each_role_may_more_than_the_one_below(self) -> None:
        order = [Role.READ_ONLY, Role.OPERATOR, Role.ADMIN, Role.OWNER]
        for lower, higher in pairwise(order):
            self.assertLess(ROLE_ACTIONS[lower], ROLE_ACTIONS[higher])
        self.assertEqual(set(ROLE_ACTIONS), set(Role.values))

    def test_a_role_holds_in_its_own_account_only(self) -> None:
        self.assertEqual(role_in(self.colleague, self.account), Role.READ_ONLY)
        self.assertIsNone(role_in(self.colleague, self.other_account))
        self.assertIsNone(role_in(self.owner, None))

    def test_who_has_no_role_may_nothing(self) -> None:
        self.assertFalse(any(may(role, action) for role in (None, "", "emperor") for action in Action))

    def test_somebody_switched_off_has_no_role(self) -> None:
        User.objects.filter(pk=self.owner.pk).update(is_active=False)
        self.owner.refresh_from_db()
        self.assertIsNone(role_in(self.owner, self.account))

    def test_a_superuser_is_owner_everywhere(self) -> None:
        self.assertEqual(role_in(User.objects.create_superuser("root@example.com"), self.account), Role.OWNER)
        self.assertFalse(Membership.objects.filter(user__email="root@example.com").exists())
