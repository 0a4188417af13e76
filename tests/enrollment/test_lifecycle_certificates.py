"""Whose certificate lets whom in: external CAs, renewals, revocations, races."""

import threading

from django.db import connection
from django.test import TransactionTestCase

from devices.models import Device
from enrollment.models import IdentityCertificate
from enrollment.services import links
from enrollment.services.ca import revoke_identity
from enrollment.services.trust import trust_authority
from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Account
from mdm.channels.models import Channel
from mdm.events.models import Event
from tests.enrollment.lifecycle_base import LifecycleTestCase
from tests.factories import make_account, make_default_group, make_enrollment
from tests.mdm.endpoints.base import DeviceRequests, ForeignAuthority
from tests.mdm.endpoints.signed_device import SignedDevice


class ExternalAuthorityTest(LifecycleTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.authority = ForeignAuthority()
        self.device = self.authority.device()

    def trust(self, account: Account | None = None) -> None:
        trust_authority(account or self.account, self.authority.pem, "Ours", SYSTEM)

    def test_a_stranger_is_403_and_changes_nothing(self) -> None:
        self.assertEqual(self.device.authenticate().status_code, 403)
        self.assertEqual((Channel.objects.count(), Event.objects.count()), (0, 0))

    def test_it_enrolls_without_a_link_into_the_default_group(self) -> None:
        self.trust()
        self.device.enroll()
        self.assertEqual(self.device.row.group, self.group)
        self.assertEqual(self.device.row.account, self.account)
        self.assertEqual(self.device.idle()["Command"]["RequestType"], "DeviceInformation")

    def test_the_token_in_the_url_names_the_link(self) -> None:
        self.trust()
        announced, link = links.create_device_with_link(self.account, name="Announced", actor=SYSTEM)
        self.device.token = link.token
        self.device.enroll()
        self.assertEqual(self.device.row, announced)
        link.refresh_from_db()
        self.assertEqual(link.spent_fingerprint, self.device.fingerprint)
        self.assertEqual(self.device.authenticate().status_code, 200)
        second = self.authority.device()
        second.token = link.token
        self.assertEqual(self.refused_because(second), "the link was made for another device")

    def test_a_token_that_nobody_gave_out_is_passed_over(self) -> None:
        self.trust()
        for token in ("unknown", "with%00nul", "x" * 500):
            self.device.token = token
            self.assertEqual(self.device.authenticate().status_code, 200, token)

    def test_a_link_of_another_account_does_not_help(self) -> None:
        self.trust()
        self.device.token = make_enrollment(self.other_account).token
        self.assertEqual(self.device.authenticate().status_code, 403)

    def test_a_ca_that_two_accounts_trust_needs_the_token(self) -> None:
        self.trust()
        self.trust(self.other_account)
        self.assertEqual(self.device.authenticate().status_code, 403)
        self.device.token = make_enrollment(self.account).token
        self.device.enroll()
        self.assertEqual(self.device.row.account, self.account)

    def test_a_certificate_in_use_does_not_enroll_a_second_device(self) -> None:
        self.trust()
        self.device.enroll()
        thief = SignedDevice(self.device.certificate, self.device.key)
        self.assertEqual(self.refused_because(thief), "the certificate belongs to another device")
        self.assertEqual(self.device.connect("Idle").status_code, 200)

    def test_an_expired_certificate_is_refused(self) -> None:
        self.trust()
        self.assertEqual(self.authority.expired_device().authenticate().status_code, 403)
        self.assertEqual(Channel.objects.count(), 0)


class RenewedCertificateTest(LifecycleTestCase):
    def renewed(self, device: SignedDevice) -> SignedDevice:
        return device.with_certificate(*self.issue(device=device.row, enrollment=self.identity_of(device).enrollment))

    def test_it_takes_over_at_its_first_word_on_connect(self) -> None:
        device = self.enrolled_device("macOS")
        user = device.user()
        user.token_update()
        renewed = self.renewed(device)
        self.assertEqual(renewed.connect("Idle").status_code, 200)
        self.assertEqual(renewed.channel.fingerprint, renewed.fingerprint)
        self.assertEqual(renewed.user(user.ids["UserID"]).connect("Idle").status_code, 200)

    def test_it_takes_over_at_its_first_check_in(self) -> None:
        device = self.enrolled_device()
        renewed = self.renewed(device)
        self.assertEqual(renewed.token_update().status_code, 200)
        self.assertEqual(renewed.channel.fingerprint, renewed.fingerprint)
        self.assertEqual(self.event_types().count("device.enrolled"), 1)

    def test_the_replaced_one_never_comes_back(self) -> None:
        device = self.enrolled_device()
        renewed = self.renewed(device)
        renewed.connect("Idle")
        self.assertEqual(device.connect("Idle").status_code, 403)
        self.assertEqual(device.checkin("GetBootstrapToken").status_code, 403)
        self.assertEqual(renewed.connect("Idle").status_code, 200)

    def test_it_may_enroll_again_although_the_link_is_spent(self) -> None:
        _, link = links.create_device_with_link(self.account, name="X", actor=SYSTEM)
        device = self.new_device(enrollment=link).enroll()
        renewed = self.renewed(device)
        self.assertEqual(renewed.authenticate().status_code, 200)
        self.assertEqual(renewed.row, device.row)

    def test_it_speaks_for_no_other_device(self) -> None:
        device, other = self.enrolled_device(), self.enrolled_device()
        renewed = self.renewed(device)
        self.assertEqual(renewed.connect("Idle", UDID=other.device_key).status_code, 403)
        self.assertEqual(
            self.refused_because(renewed, UDID=other.device_key), "the certificate belongs to another device"
        )
        self.assertEqual(device.channel.fingerprint, device.fingerprint)

    def test_a_revoked_one_opens_nothing(self) -> None:
        device = self.enrolled_device()
        revoke_identity(self.identity_of(device), "stolen", SYSTEM)
        self.assertEqual(device.connect("Idle").status_code, 403)
        self.assertEqual(device.token_update().status_code, 403)
        self.assertEqual(device.authenticate().status_code, 403)
        self.assertEqual(device.channel.fingerprint, "")

    def test_a_revoked_renewal_does_not_take_over(self) -> None:
        device = self.enrolled_device()
        renewed = self.renewed(device)
        revoke_identity(self.identity_of(renewed), "mistake", SYSTEM)
        self.assertEqual(renewed.connect("Idle").status_code, 403)
        self.assertEqual(device.connect("Idle").status_code, 200)


class OneTimeRaceTest(DeviceRequests, TransactionTestCase):
    def setUp(self) -> None:
        self.account = make_account()
        make_default_group(self.account)

    def race(self, devices: list[SignedDevice]) -> list[int]:
        start, statuses, faults = threading.Barrier(len(devices)), [], []

        def enroll(device: SignedDevice) -> None:
            try:
                start.wait(30)
                statuses.append(device.authenticate().status_code)
            except BaseException as fault:
                faults.append(fault)
            finally:
                connection.close()

        threads = [threading.Thread(target=enroll, args=[device]) for device in devices]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.assertEqual(faults, [])
        return sorted(statuses)

    def test_of_twenty_at_once_exactly_one_gets_in(self) -> None:
        announced, link = links.create_device_with_link(self.account, name="Only one", actor=SYSTEM)
        devices = [self.new_device(enrollment=link) for _ in range(20)]
        self.assertEqual(self.race(devices), [200] + [403] * 19)
        self.assertEqual(Channel.objects.get().device, announced)
        self.assertEqual(Device.objects.count(), 1)
        self.assertEqual(
            IdentityCertificate.objects.get(fingerprint=Channel.objects.get().fingerprint).device, announced
        )

    def test_one_device_that_asks_twice_at_once_is_one_row(self) -> None:
        device = self.new_device()
        twin = device.with_certificate(device.certificate, device.key)
        self.assertEqual(self.race([device, twin]), [200, 200])
        self.assertEqual((Device.objects.count(), Channel.objects.count()), (1, 1))

    def test_one_certificate_for_two_devices_at_once_lets_one_of_them_in(self) -> None:
        device = self.new_device()
        thief = SignedDevice(device.certificate, device.key)
        self.assertEqual(self.race([device, thief]), [200, 403])
        self.assertEqual((Device.objects.count(), Channel.objects.count()), (1, 1))
