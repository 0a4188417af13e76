"""Who may enroll, and into which row: links, licences, external CAs, renewed certificates."""

from datetime import timedelta
from unittest.mock import patch

from django.utils import timezone

from devices.models import Device
from devices.services.devices import remove_device
from enrollment.models import Enrollment
from enrollment.services import admission, links
from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Account
from tests.enrollment.lifecycle_base import LifecycleTestCase
from tests.factories import make_device, make_enrollment, make_group
from tests.mdm.endpoints.signed_device import SignedDevice


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

    def test_a_device_that_is_removed_while_it_enrolls_is_refused(self) -> None:
        device = self.new_device(enrollment=self.link)
        device.authenticate()
        Device.objects.update(removed_at=timezone.now())
        self.assertEqual(device.token_update().status_code, 403)
        self.assertEqual(self.events("enrollment.refused")[-1].metadata["why"], "the device was removed")
        self.announced.refresh_from_db()
        self.assertEqual(self.announced.state, "awaiting_enrollment")

    def test_what_others_write_to_the_row_meanwhile_stays(self) -> None:
        device = self.new_device(enrollment=self.link)

        def claim(*arguments: object) -> bool:
            Device.objects.filter(pk=self.announced.pk).update(name="Joe's iPhone", imei="35 445506 652132 5")
            return links.claim(*arguments)

        with patch.object(admission, "claim", claim):
            device.enroll()
        self.announced.refresh_from_db()
        self.assertEqual((self.announced.name, self.announced.imei), ("Joe's iPhone", "35 445506 652132 5"))

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
        second = self.new_device()
        second.enroll()
        self.assertEqual(second.row.state, "enrolled")

    def test_of_two_that_authenticated_one_gets_the_last_licence(self) -> None:
        first, second = self.new_device(), self.new_device()
        first.authenticate()
        second.authenticate()
        self.assertEqual(first.token_update().status_code, 200)
        self.assertEqual(second.token_update().status_code, 403)
        self.assertEqual(second.row.state, "awaiting_enrollment")
        self.assertEqual(bytes(second.channel.push_token), b"")
        self.assertIn("licences", self.events("enrollment.refused")[0].metadata["why"])
