"""Who may enroll, and into which row: links, licences, external CAs, renewed certificates."""

import threading
from datetime import timedelta

from django.db import connection
from django.test import TransactionTestCase
from django.utils import timezone

from devices.models import Device
from devices.services.devices import remove_device
from enrollment.models import Enrollment, IdentityCertificate
from enrollment.services import links
from enrollment.services.ca import revoke_identity
from enrollment.services.trust import trust_authority
from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Account
from mdm.channels.models import Channel
from mdm.events.models import Event
from tests.factories import make_account, make_default_group, make_device, make_enrollment, make_group
from tests.mdm.endpoints.base import DeviceRequests, DeviceTestCase, ForeignAuthority
from tests.mdm.endpoints.signed_device import SignedDevice


class LifecycleTestCase(DeviceTestCase):
    def refused_because(self, device: SignedDevice, **keys: str) -> str:
        """Authenticate is answered with 403; what the log says of it."""
        before = (Channel.objects.count(), Device.objects.count(), Enrollment.objects.filter(spent_at=None).count())
        self.assertEqual(device.authenticate(**keys).status_code, 403)
        after = (Channel.objects.count(), Device.objects.count(), Enrollment.objects.filter(spent_at=None).count())
        self.assertEqual(after, before)
        return self.events("enrollment.refused")[-1].metadata["why"]


class OneTimeLinkTest(LifecycleTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.group = make_group(self.account, "Sales")
        self.announced, self.link = links.create_device_with_link(
            self.account, name="Jane's iPhone", group=self.group, actor=SYSTEM
        )

    def test_the_announced_device_enrolls_into_its_row(self) -> None:
        device = self.new_device(enrollment=self.link).enroll()
        self.assertEqual(device.row, self.announced)
        self.assertEqual((device.row.name, device.row.group), ("Jane's iPhone", self.group))
        self.link.refresh_from_db()
        self.assertEqual(self.link.spent_fingerprint, device.fingerprint)
        self.assertEqual(self.identity_of(device).device, self.announced)

    def test_a_second_device_is_refused(self) -> None:
        first, second = self.new_device(enrollment=self.link), self.new_device(enrollment=self.link)
        first.enroll()
        self.assertEqual(self.refused_because(second), "the link was made for another device")
        # Nor does it help to name the first one.
        second.ids = dict(first.ids)
        second.device_key = first.device_key
        self.assertEqual(self.refused_because(second), "the link is not valid any more")
        self.assertEqual(first.connect("Idle").status_code, 200)

    def test_the_same_device_may_say_authenticate_again(self) -> None:
        device = self.new_device(enrollment=self.link)
        device.authenticate()
        device.enroll()
        self.assertEqual(device.row, self.announced)

    def test_a_revoked_or_expired_link_lets_nobody_in(self) -> None:
        device = self.new_device(enrollment=self.link)
        links.revoke(self.link, SYSTEM)
        self.assertEqual(self.refused_because(device), "the link is not valid any more")
        link = make_enrollment(device=make_device(self.account, enrolled=False))
        late = self.new_device(enrollment=link)
        Enrollment.objects.filter(pk=link.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
        self.assertEqual(self.refused_because(late), "the link is not valid any more")

    def test_the_link_of_a_removed_device_lets_nobody_in(self) -> None:
        device = self.new_device(enrollment=self.link)
        remove_device(self.announced, SYSTEM)
        self.assertEqual(self.refused_because(device), "the device was removed")

    def test_the_link_of_a_known_device_is_refused_to_another(self) -> None:
        known = self.enrolled_device()
        link = links.link_for_device(known.row, SYSTEM)
        stranger = self.new_device(enrollment=link)
        self.assertEqual(self.refused_because(stranger), "the link was made for another device")

    def test_a_known_device_comes_back_by_a_link_of_its_own(self) -> None:
        known = self.enrolled_device()
        link = links.link_for_device(known.row, SYSTEM)
        again = known.with_certificate(*self.issue(enrollment=link)).enroll()
        self.assertEqual(again.row, known.row)
        link.refresh_from_db()
        self.assertIsNotNone(link.spent_at)

    def test_a_known_device_that_comes_as_an_announced_one_keeps_its_row(self) -> None:
        known = self.enrolled_device()
        row = known.row
        again = known.with_certificate(*self.issue(enrollment=self.link)).enroll()
        self.assertEqual(again.row, row)
        self.assertEqual((again.row.name, again.row.group), ("Jane's iPhone", self.group))
        self.assertFalse(Device.objects.filter(pk=self.announced.pk).exists())
        self.link.refresh_from_db()
        self.assertEqual(self.link.device, row)
        self.assertEqual(self.identity_of(again).device, row)


class GroupLinkTest(LifecycleTestCase):
    def test_every_device_that_comes_belongs_to_the_group(self) -> None:
        group = make_group(self.account, "Warehouse")
        link = make_enrollment(group=group)
        devices = [self.new_device(enrollment=link).enroll() for _ in range(3)]
        self.assertEqual({device.row.group for device in devices}, {group})
        self.assertEqual(len({device.row.pk for device in devices}), 3)

    def test_a_known_device_moves_to_the_group(self) -> None:
        known = self.enrolled_device()
        group = make_group(self.account, "Warehouse")
        again = known.with_certificate(*self.issue(enrollment=make_enrollment(group=group))).enroll()
        self.assertEqual((again.row.pk, again.row.group), (known.row.pk, group))

    def test_a_revoked_link_lets_nobody_in_and_keeps_those_who_are(self) -> None:
        link = make_enrollment(self.account)
        inside, outside = self.enrolled_device(enrollment=link), self.new_device(enrollment=link)
        links.revoke(link, SYSTEM)
        self.assertEqual(self.refused_because(outside), "the link is not valid any more")
        self.assertEqual(inside.connect("Idle").status_code, 200)

    def test_a_certificate_in_use_does_not_enroll_a_second_device(self) -> None:
        device = self.enrolled_device()
        thief = SignedDevice(device.certificate, device.key)
        self.assertEqual(self.refused_because(thief), "the certificate belongs to another device")
        self.assertEqual(device.connect("Idle").status_code, 200)

    def test_hostile_facts_are_cut_to_what_the_columns_hold(self) -> None:
        device = self.new_device()
        long = "x" * 1024
        keys = dict.fromkeys(("DeviceName", "Model", "ModelName", "OSVersion", "BuildVersion", "IMEI", "MEID"), long)
        self.assertEqual(device.authenticate(SerialNumber=long, ProductName=long, **keys).status_code, 200)
        row = device.row
        self.assertEqual((len(row.name), len(row.serial_number), len(row.os_version)), (255, 64, 32))
        self.assertEqual(row.platform, "")
        self.assertEqual(device.token_update().status_code, 200)


class LicenceTest(LifecycleTestCase):
    def setUp(self) -> None:
        super().setUp()
        Account.objects.filter(pk=self.account.pk).update(license_total=1)

    def test_the_last_licence_is_given_once(self) -> None:
        first = self.enrolled_device()
        why = self.refused_because(self.new_device())
        self.assertIn("all 1 device licences", why)
        # The device that has it may enroll again.
        again = first.with_certificate(*self.issue(enrollment=self.identity_of(first).enrollment))
        self.assertEqual(again.authenticate().status_code, 200)

    def test_a_device_that_leaves_gives_its_licence_back(self) -> None:
        self.enrolled_device().check_out()
        self.new_device().enroll()

    def test_of_two_that_authenticated_one_gets_the_last_licence(self) -> None:
        first, second = self.new_device(), self.new_device()
        first.authenticate()
        second.authenticate()
        self.assertEqual(first.token_update().status_code, 200)
        self.assertEqual(second.token_update().status_code, 403)
        self.assertEqual(second.row.state, "awaiting_enrollment")
        self.assertEqual(bytes(second.channel.push_token), b"")
        self.assertIn("licences", self.events("enrollment.refused")[0].metadata["why"])


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
