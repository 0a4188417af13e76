"""A device that Apple lists asks for its profile: it gets one for itself alone, anybody else gets none."""

import base64
import json
from datetime import timedelta
from unittest.mock import patch

from django.utils import timezone

from devices.models import Device, DeviceState
from enrollment.models import Enrollment, IdentityCertificate
from enrollment.services.ade_profiles import forget_unused
from enrollment.services.links import enrollment_url, link_for_device, remove_device
from enrollment.services.profile import renewal_profile
from mdm.accounts.actors import SYSTEM
from mdm.accounts.models import Account
from mdm.events.models import Event
from mdm.protocol.machine_info import MAX_BYTES
from mdm.virtual.errors import DeviceError, EnrollmentRefused
from tests.enrollment.ade_base import AdeTestCase, factory
from tests.factories import make_dep_device, make_dep_server, make_dep_settings, make_device
from tests.fakes.device_authority import make_certified


class ProfileTest(AdeTestCase):
    def test_a_listed_device_gets_a_profile_and_a_row_in_the_settings_group(self) -> None:
        response = self.post(self.message())
        profile = self.profile_of(response)
        mdm = next(one for one in profile["PayloadContent"] if one["PayloadType"] == "com.apple.mdm")
        enrollment = Enrollment.objects.get()
        self.assertTrue(mdm["CheckInURL"].endswith(enrollment.token))
        row = self.row()
        self.assertEqual((row.group, row.state), (self.office, DeviceState.AWAITING))
        self.assertEqual(
            (enrollment.device, enrollment.device_group, enrollment.is_automated), (row, self.office, True)
        )
        self.assertLessEqual(enrollment.expires_at, timezone.now() + timedelta(hours=1))
        (event,) = self.events("ade.profile_sent")
        self.assertEqual((event.serial_number, event.device), (self.listed.serial_number, row))
        self.assertFalse(response.cookies)
        self.assertEqual(response.headers["Cache-Control"], "no-store")

    def test_devices_sign_in_several_ways(self) -> None:
        for style in ("modern", "field"):
            with self.subTest(style):
                device = self.device(signature_style=style)
                self.profile_of(self.post(self.message(device)))

    def test_the_older_way_puts_the_message_into_a_header(self) -> None:
        header = base64.b64encode(self.message()).decode()
        for method in (self.http.get, self.http.post):
            self.profile_of(method(self.url, headers={"x-apple-aspen-deviceinfo": header}))

    def test_the_profile_may_not_be_removed_where_the_settings_say_so(self) -> None:
        self.assertIs(self.profile_of(self.post(self.message()))["PayloadRemovalDisallowed"], False)
        self.change(options={"is_mdm_removable": False})
        self.assertIs(self.profile_of(self.post(self.message()))["PayloadRemovalDisallowed"], True)

    def test_a_known_row_is_taken_by_its_serial_number(self) -> None:
        known = make_device(self.account, enrolled=False, serial_number=self.listed.serial_number, name="Reception")
        self.profile_of(self.post(self.message()))
        self.assertEqual(Enrollment.objects.get().device, known)
        self.listed.refresh_from_db()
        self.assertEqual(self.listed.device, known)
        self.assertEqual(Enrollment.objects.get().device_group, known.group)

    def test_case_and_spaces_around_the_serial_number_do_not_matter(self) -> None:
        self.profile_of(self.post(self.message(SERIAL=" c02ade000001\n")))

    def test_a_removed_device_gets_a_fresh_row(self) -> None:
        self.profile_of(self.post(self.message()))
        former = self.row()
        remove_device(former, SYSTEM)
        self.profile_of(self.post(self.message()))
        self.assertNotEqual(self.row(), former)
        self.assertEqual(Enrollment.objects.order_by("-pk")[0].device, self.row())

    def test_a_fresh_profile_voids_the_one_before(self) -> None:
        for _ in range(3):
            self.profile_of(self.post(self.message()))
        revoked = Enrollment.objects.order_by("pk").values_list("revoked_at", flat=True)
        self.assertEqual([value is None for value in revoked], [False, False, True])
        self.assertEqual(Device.objects.filter(serial_number=self.listed.serial_number).count(), 1)

    def test_it_stands_beside_a_link_that_somebody_made(self) -> None:
        known = make_device(self.account, enrolled=False, serial_number=self.listed.serial_number)
        link = link_for_device(known, SYSTEM)
        self.profile_of(self.post(self.message()))
        link.refresh_from_db()
        self.assertEqual((link.why_closed, enrollment_url(known)), ("", link.url))
        self.assertEqual(link_for_device(known, SYSTEM), link)

    def test_nobody_sees_it_or_opens_it(self) -> None:
        self.profile_of(self.post(self.message()))
        enrollment = Enrollment.objects.get()
        self.assertIsNone(enrollment_url(self.row()))
        self.assertFalse(Enrollment.objects.for_account(self.account).exists())
        self.assertEqual(self.api.get("/api/v1/enrollments").json()["data"], [])
        self.assertEqual(self.api.get(f"/api/v1/enrollments/{enrollment.pk}").status_code, 404)
        for path in ("/e/", "/e/profile"):
            self.assertEqual(self.http.get(path, {"c": enrollment.code}).status_code, 404)
        self.http.force_login(self.owner)
        page = self.http.get("/admin/enrollment/enrollment/")
        self.assertNotContains(page, self.listed.serial_number)
        self.assertNotContains(page, enrollment.code)

    def test_what_nobody_used_is_forgotten_after_a_while(self) -> None:
        self.profile_of(self.post(self.message()))
        self.assertEqual(forget_unused(), 0)
        Enrollment.objects.update(expires_at=timezone.now() - timedelta(days=31))
        self.assertGreater(forget_unused(), 0)
        self.assertFalse(Enrollment.objects.exists())

    def test_two_requests_at_once_do_not_make_two_rows(self) -> None:
        message = self.message()
        inner = Enrollment.save
        seen: list[int] = []

        def save(enrollment: Enrollment, *arguments: object, **options: object) -> None:
            if not seen:
                seen.append(1)
                self.profile_of(self.post(message))  # SQLite and a test have one connection: nested, not beside it
                Enrollment.objects.filter(is_automated=True).update(revoked_at=timezone.now())
            inner(enrollment, *arguments, **options)

        with patch.object(Enrollment, "save", save):
            self.profile_of(self.post(message))
        self.assertEqual(Device.objects.filter(serial_number=self.listed.serial_number).count(), 1)
        self.assertEqual(Enrollment.objects.filter(revoked_at=None).count(), 1)


class RefusalTest(AdeTestCase):
    def test_an_unknown_address_is_404_whatever_is_sent(self) -> None:
        for url in ("/e/ade/unknown", "/e/ade/unknown/sign-in", f"/e/ade/{'x' * 200}", "/e/ade/%00"):
            self.assertEqual(self.post(self.message(), url).status_code, 404, url)
            self.assertEqual(self.post(b"nonsense", url).status_code, 404, url)
        self.change(removed_at=timezone.now())
        self.refused(self.post(self.message()), 404)

    def test_a_device_that_apple_does_not_list_is_not_recognized(self) -> None:
        content = json.loads(self.refused(self.post(self.message(SERIAL="C02OTHER0001")), 403))
        self.assertEqual(content["code"], "com.apple.unrecognized.device")
        (event,) = self.events("ade.refused")
        self.assertEqual((event.serial_number, event.level), ("C02OTHER0001", 1))
        self.assertFalse(Device.objects.filter(serial_number="C02OTHER0001").exists())

    def test_the_list_of_another_server_does_not_count(self) -> None:
        elsewhere = make_dep_server(self.other_account)
        make_dep_device(elsewhere, "C02ELSE00001")
        make_dep_settings(elsewhere)
        self.refused(self.post(self.message(SERIAL="C02ELSE00001")), 403)
        second = make_dep_server(self.account)
        make_dep_device(second, "C02SECOND001")
        self.refused(self.post(self.message(SERIAL="C02SECOND001")), 403)

    def test_a_stranger_learns_nothing(self) -> None:
        for signer in (
            make_certified("device", is_ca=False),  # its own issuer
            make_certified("Somebody's").issue("device"),
            make_certified("Device CA of tests").issue("device"),  # only the name is right
            factory(),  # the authority itself
        ):
            device = self.device()
            device.factory_identity = signer.identity
            known = self.refused(self.post(self.message(device)), 403)
            unknown = self.refused(self.post(self.message(device, SERIAL="C02NOBODY001")), 403)
            self.assertEqual(known, unknown)
        self.assertFalse(Event.objects.filter(event_type__startswith="ade.").exists())

    def test_an_altered_message_is_no_message(self) -> None:
        make_dep_device(self.server, "C02ADE000002")
        altered = self.message().replace(b"C02ADE000001", b"C02ADE000002")
        self.refused(self.post(altered), 400)

    def test_nonsense_is_400_and_too_much_is_413(self) -> None:
        for body in (b"", b"nonsense", b"\x30\x80", b"<plist/>", b"\x00" * 1000):
            self.refused(self.post(body), 400)
        self.refused(self.post(b"\x30" * (MAX_BYTES + 1)), 413)
        self.refused(self.http.get(self.url), 400)
        self.refused(self.http.get(self.url, headers={"x-apple-aspen-deviceinfo": "%%%"}), 400)
        self.refused(self.http.get(self.url, headers={"x-apple-aspen-deviceinfo": "A" * 100_000}), 413)
        self.refused(self.http.put(self.url, b""), 405)

    def test_without_a_licence_there_is_no_profile(self) -> None:
        make_device(self.account)
        Account.objects.filter(pk=self.account.pk).update(license_total=1)
        self.assertIn("licences", self.refused(self.post(self.message()), 403))
        self.assertIn("licences", self.events("ade.refused")[0].metadata["why"])
        Account.objects.filter(pk=self.account.pk).update(license_total=2)
        self.profile_of(self.post(self.message()))

    def test_an_enrolled_device_needs_no_further_licence(self) -> None:
        make_device(self.account, serial_number=self.listed.serial_number)
        Account.objects.filter(pk=self.account.pk).update(license_total=1)
        self.profile_of(self.post(self.message()))

    def test_where_somebody_has_to_sign_in_the_device_alone_gets_nothing(self) -> None:
        self.change(requires_sign_in=True)
        self.assertIn("sign in", self.refused(self.post(self.message()), 403))
        self.assertEqual(len(self.events("ade.refused")), 1)


class MinimumVersionTest(AdeTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.change(minimum_os={"iOS": "18.6", "macOS": "15.5"})

    def test_a_device_that_can_update_is_told_to(self) -> None:
        content = json.loads(self.refused(self.post(self.message()), 403))
        self.assertEqual(
            (content["code"], content["details"]), ("com.apple.softwareupdate.required", {"OSVersion": "18.6"})
        )
        (event,) = self.events("ade.update_required")
        self.assertEqual((event.metadata["os_version"], event.metadata["minimum"]), ("18.5", "18.6"))

    def test_one_that_cannot_is_let_in_with_a_warning(self) -> None:
        self.profile_of(self.post(self.message(MDM_CAN_REQUEST_SOFTWARE_UPDATE=None)))
        (event,) = self.events("ade.outdated")
        self.assertEqual(event.level, 1)

    def test_one_that_does_not_say_its_version_is_let_in(self) -> None:
        self.profile_of(self.post(self.message(OS_VERSION=None)))
        self.assertEqual(self.events("ade.outdated"), [])

    def test_the_version_is_the_platforms_own_and_compared_as_numbers(self) -> None:
        self.profile_of(self.post(self.message(OS_VERSION="18.10")))
        self.profile_of(self.post(self.message(self.device("macos"))))
        self.profile_of(self.post(self.message(PRODUCT="AppleTV14,1", OS_VERSION="10.0")))


class EnrollingTest(AdeTestCase):
    def enrolled(self, platform: str = "ios", **options: object) -> object:
        device = self.device(platform, **options)
        device.enroll_automatically(self.url)
        return device

    def test_the_device_comes_into_its_row(self) -> None:
        device = self.enrolled()
        row = self.row()
        self.assertEqual((row.state, row.udid, row.group), (DeviceState.ENROLLED, device.udid, self.office))
        self.assertIs(row.is_dep_enrollment, True)
        self.assertTrue(self.channel().awaiting_configuration)
        self.assertIsNotNone(self.channel().awaiting_since)
        self.assertEqual(Enrollment.objects.get().why_closed, "spent")

    def test_the_page_of_its_certificate_says_how_it_came(self) -> None:
        self.enrolled()
        self.http.force_login(self.owner)
        identity = IdentityCertificate.objects.get()
        page = self.http.get(f"/admin/enrollment/identitycertificate/{identity.pk}/change/")
        self.assertContains(page, "Automated enrollment")
        self.assertNotContains(page, f"/admin/enrollment/enrollment/{identity.enrollment_id}/")

    def test_a_wiped_device_comes_into_the_same_row(self) -> None:
        device = self.enrolled()
        first = self.row()
        device.erase()
        device.enroll_automatically(self.url)
        self.assertEqual(self.row(), first)
        self.assertEqual(len(self.events("device.reenrolled")), 1)

    def test_one_that_comes_by_somebodys_link_later_is_no_automated_enrollment_any_more(self) -> None:
        device = self.enrolled()
        link = link_for_device(self.row(), SYSTEM)
        device.erase()
        device.enroll(f"/e/?c={link.code}")
        self.assertIs(self.row().is_dep_enrollment, False)
        self.assertFalse(self.channel().awaiting_configuration)

    def test_the_profile_of_one_device_lets_in_no_other(self) -> None:
        device, thief = self.device(), self.device(serial="C02THIEF0001")
        thief.factory_identity = device.factory_identity
        make_dep_device(self.server, "C02THIEF0001")
        signed = device.signed_machine_info()
        with patch.object(thief, "signed_machine_info", lambda: signed), self.assertRaises(DeviceError):
            thief.enroll_automatically(self.url)
        self.assertIn("another device", self.events("enrollment.refused")[0].metadata["why"])
        self.enrolled()

    def test_a_profile_that_was_replaced_lets_nobody_in(self) -> None:
        device = self.device()
        with patch.object(device, "join"):
            device.enroll_automatically(self.url)
        self.post(self.message())
        with self.assertRaises(DeviceError):
            device.join()
        self.assertEqual(self.row().state, DeviceState.AWAITING)

    def test_a_new_main_board_with_the_same_serial_number_is_the_same_device(self) -> None:
        self.enrolled()
        first = self.row()
        repaired = self.enrolled(udid="00008120-REPAIRED")
        self.assertEqual((self.row(), self.row().udid), (first, repaired.udid))

    def test_a_device_that_was_known_by_its_udid_alone_keeps_that_row(self) -> None:
        device = self.device()
        known = make_device(self.account, udid=device.udid, serial_number="", name="Known")
        link = link_for_device(known, SYSTEM)
        device.enroll_automatically(self.url)
        self.assertEqual(self.row(), known)
        self.listed.refresh_from_db()
        link.refresh_from_db()
        self.assertEqual((self.listed.device, link.why_closed), (known, ""))

    def test_a_renewed_profile_stays_as_it_was_about_its_removal(self) -> None:
        self.change(options={"is_mdm_removable": False})
        self.enrolled()
        self.assertIn(b"<key>PayloadRemovalDisallowed</key><true/>", renewal_profile(self.row()).replace(b"\n", b""))

    def test_a_removed_settings_address_refuses_a_device_with_words(self) -> None:
        self.change(removed_at=timezone.now())
        with self.assertRaises(EnrollmentRefused):
            self.enrolled()
