"""Twenty at once: one-time means one-time. On SQLite every transaction takes the write lock first, so the race is real."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connections

from enrollment.models import Enrollment, IdentityCertificate
from enrollment.services.ca import authority_of
from enrollment.services.challenges import challenge_for_enrollment
from enrollment.services.links import claim
from mdm.accounts.models import Account
from mdm.protocol.scep import PkiStatus
from tests.enrollment.base import ScepDevice, status_of
from tests.factories import make_account, make_default_group, make_device, make_enrollment

CALLERS = 20
pytestmark = pytest.mark.django_db(transaction=True)


def at_once(call: Callable[[int], Any], count: int = CALLERS) -> list[Any]:
    """Call it in that many threads that start together; each closes its database connection."""
    barrier = Barrier(count)

    def run(number: int) -> Any:
        try:
            barrier.wait(timeout=30)
            return call(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.fixture
def account() -> Account:
    return make_account("Acme")


def test_of_20_claims_of_one_link_exactly_one_succeeds(account: Account) -> None:
    enrollment = make_enrollment(device=make_device(account, enrolled=False))
    results = at_once(lambda n: claim(Enrollment.objects.get(pk=enrollment.pk), f"{n:064x}"))
    assert sorted(results) == [False] * (CALLERS - 1) + [True]
    enrollment.refresh_from_db()
    assert enrollment.spent_fingerprint == f"{results.index(True):064x}"


def test_20_claims_by_one_certificate_all_succeed(account: Account) -> None:
    enrollment = make_enrollment(device=make_device(account, enrolled=False))
    assert at_once(lambda _n: claim(Enrollment.objects.get(pk=enrollment.pk), "f" * 64)) == [True] * CALLERS


def test_of_20_keys_with_one_challenge_exactly_one_is_certified(account: Account) -> None:
    authority = authority_of(account)
    challenge = challenge_for_enrollment(make_enrollment(account))
    devices = [ScepDevice(authority, f"racer {n % 5}-{n}") for n in range(8)]
    results = at_once(lambda n: status_of(devices[n].request(challenge)), len(devices))
    assert sorted(results) == [PkiStatus.SUCCESS] + [PkiStatus.FAILURE] * (len(devices) - 1)
    assert IdentityCertificate.objects.count() == 1


def test_one_key_that_asks_8_times_at_once_gets_one_certificate(account: Account) -> None:
    authority = authority_of(account)
    challenge = challenge_for_enrollment(make_enrollment(account))
    device = ScepDevice(authority)
    answers = at_once(lambda _n: device.request(challenge).certificates[0], 8)
    assert len(set(answers)) == 1
    assert IdentityCertificate.objects.count() == 1


def test_the_last_licence_is_given_once(account: Account) -> None:
    Account.objects.update(license_total=1)
    make_default_group(account)
    authority, enrollment = authority_of(account), make_enrollment(account)
    devices = [(ScepDevice(authority, f"racer {n % 5}-{n}"), challenge_for_enrollment(enrollment)) for n in range(8)]
    results = at_once(lambda n: status_of(devices[n][0].request(devices[n][1])), len(devices))
    assert sorted(results) == [PkiStatus.SUCCESS] + [PkiStatus.PENDING] * (len(devices) - 1)


def test_processes_that_start_together_make_one_authority(account: Account) -> None:
    assert len({authority_of(account).pk for _ in range(2)} | set(at_once(lambda _n: authority_of(account).pk, 4))) == 1
