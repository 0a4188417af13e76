import pytest

from enrollment.models import CertificateAuthority, Enrollment
from enrollment.services.accounts import open_account
from mdm.accounts.models import Account, Role, User
from mdm.events.models import Event
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def test_an_account_opens_with_all_that_its_first_device_needs() -> None:
    account, owner = open_account("Acme", owner_email="Owner@Example.com", password="a good one", license_total=5)
    assert (account.name, account.license_total) == ("Acme", 5)
    assert owner.email == "owner@example.com"
    assert owner.check_password("a good one")
    assert owner.memberships.get().role == Role.OWNER
    assert CertificateAuthority.objects.get().account == account
    link = Enrollment.objects.get()
    assert not link.is_one_time
    assert link.device_group.is_default
    assert link.created_by == owner
    assert list(Event.objects.order_by("pk").values_list("event_type", flat=True)) == [
        "account.created",
        "enrollment.created",
    ]


def test_a_known_person_becomes_owner_of_a_further_account_and_keeps_the_password() -> None:
    person = make_user(email="owner@example.com", password="the old one")
    _, owner = open_account("Second", owner_email="owner@example.com", password="another")
    assert owner == person
    assert owner.check_password("the old one")


def test_each_account_has_an_authority_of_its_own() -> None:
    for name in ("One", "Two"):
        open_account(name, owner_email="owner@example.com")
    assert CertificateAuthority.objects.values("scep_id").distinct().count() == 2
    assert (Account.objects.count(), User.objects.count()) == (2, 1)
