"""Which account somebody works in."""

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, TestCase

from mdm.accounts.middleware import CurrentAccount, choose_account, find_account, is_visitor
from mdm.accounts.models import Membership, Role, User
from tests.factories import make_account, make_user


class CurrentAccountTest(TestCase):
    def setUp(self) -> None:
        self.first, self.second = make_account("Almonds"), make_account("Berries")
        self.user = make_user(self.second, role=Role.OPERATOR)
        self.root = make_user(None, is_superuser=True)

    def request(self, user: User | AnonymousUser) -> HttpRequest:
        request = RequestFactory().get("/")
        request.user, request.session = user, {}
        CurrentAccount(lambda _request: HttpResponse())(request)
        return request

    def test_a_person_works_in_an_account_of_theirs_with_their_role(self) -> None:
        request = self.request(self.user)
        with self.assertNumQueries(1):
            self.assertEqual((request.get_account(), request.get_role()), (self.second, Role.OPERATOR))

    def test_what_was_chosen_stays_while_they_belong_to_it(self) -> None:
        membership = Membership.objects.create(account=self.first, user=self.user, role=Role.READ_ONLY)
        request = self.request(self.user)
        choose_account(request, self.first)
        self.assertEqual((request.get_account(), request.get_role()), (self.first, Role.READ_ONLY))
        membership.delete()
        later = self.request(self.user)
        later.session = request.session
        self.assertEqual(later.get_account(), self.second)

    def test_somebody_elses_account_is_not_found(self) -> None:
        request = self.request(self.user)
        for key in (self.first.pk, str(self.first.pk), "x", "", None, "9" * 40):
            self.assertIsNone(find_account(request, key), key)

    def test_a_stranger_has_none(self) -> None:
        request = self.request(AnonymousUser())
        self.assertEqual((request.get_account(), request.get_role(), list(request.account_choices)), (None, None, []))

    def test_whoever_runs_the_server_is_in_none_until_they_choose(self) -> None:
        request = self.request(self.root)
        self.assertEqual((request.get_account(), request.get_role()), (None, None))
        choose_account(request, find_account(request, self.first.pk))
        self.assertEqual((request.get_account(), request.get_role()), (self.first, Role.OWNER))
        self.assertTrue(is_visitor(request, self.first))

    def test_whoever_runs_the_server_is_no_visitor_where_they_belong(self) -> None:
        Membership.objects.create(account=self.first, user=self.root, role=Role.READ_ONLY)
        request = self.request(self.root)
        self.assertEqual((request.get_account(), request.get_role()), (self.first, Role.OWNER))
        self.assertFalse(is_visitor(request, self.first))

    def test_an_ordinary_person_is_never_a_visitor(self) -> None:
        self.assertFalse(is_visitor(self.request(self.user), self.first))
