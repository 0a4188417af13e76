from django.test import TestCase

from mdm.accounts.members import (
    LastOwner,
    MemberError,
    add_member,
    change_role,
    generated_password,
    remove_member,
)
from mdm.accounts.models import Membership, Role
from tests.factories import PASSWORD, make_account, make_user


class MembersTest(TestCase):
    def setUp(self) -> None:
        self.account = make_account()
        self.owner = make_user(self.account, role=Role.OWNER).memberships.get()

    def test_a_new_person_gets_a_password_that_is_returned_once(self) -> None:
        member, password = add_member(self.account, email="New@Example.com", role=Role.OPERATOR)
        self.assertTrue(member.user.check_password(password))
        self.assertEqual(member.user.email, "new@example.com")

    def test_a_given_password_is_not_returned(self) -> None:
        member, password = add_member(self.account, email="a@example.com", role=Role.ADMIN, password="given-by-owner")
        self.assertIsNone(password)
        self.assertTrue(member.user.check_password("given-by-owner"))

    def test_a_person_with_a_login_is_only_added(self) -> None:
        user = make_user(make_account())
        member, password = add_member(self.account, email=user.email.upper(), role=Role.ADMIN, password="other")
        self.assertEqual((member.user, password), (user, None))
        self.assertTrue(member.user.check_password(PASSWORD))

    def test_nobody_is_added_twice(self) -> None:
        with self.assertRaises(MemberError):
            add_member(self.account, email=self.owner.user.email, role=Role.READ_ONLY)
        self.assertEqual(Membership.objects.get(pk=self.owner.pk).role, Role.OWNER)

    def test_an_account_keeps_an_owner(self) -> None:
        with self.assertRaises(LastOwner):
            change_role(self.owner, Role.ADMIN)
        with self.assertRaises(LastOwner):
            remove_member(self.owner)
        second = make_user(self.account, role=Role.OWNER).memberships.get()
        self.assertTrue(change_role(self.owner, Role.ADMIN))
        with self.assertRaises(LastOwner):
            remove_member(second)

    def test_an_owner_of_another_account_does_not_count(self) -> None:
        make_user(make_account(), role=Role.OWNER)
        with self.assertRaises(LastOwner):
            remove_member(self.owner)

    def test_the_same_role_again_changes_nothing(self) -> None:
        self.assertFalse(change_role(self.owner, Role.OWNER))

    def test_generated_passwords_differ_and_can_be_read_out(self) -> None:
        passwords = {generated_password() for _ in range(100)}
        self.assertEqual(len(passwords), 100)
        for password in passwords:
            self.assertRegex(password, r"^([a-zA-Z2-9]{5}-){3}[a-zA-Z2-9]{5}$")
            self.assertNotRegex(password, "[lIO01]")
