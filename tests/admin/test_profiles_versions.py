"""The versions of a profile in the admin: what is in one, what differs, going back, and numbers that come later."""

from unittest.mock import patch

from devices.models import Profile, ProfileVersion
from devices.services.profile_diff import compare
from devices.services.profiles import change_profile
from mdm.accounts.actors import SYSTEM, Actor, Source
from tests.admin.test_profiles import SECRET, ProfileTestCase, text_of
from tests.factories import (
    make_attribute,
    make_device,
    make_mobileconfig,
    make_payload,
    make_profile_assignment,
)
from tests.factories.due import marked

PAYLOAD = make_payload(Password=SECRET, SSID_STR="Office")


class VersionsTestCase(ProfileTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.shown = self.profile()
        for payload in (PAYLOAD, PAYLOAD | {"SSID_STR": "Lab", "Password": "battery staple"}):
            content = make_mobileconfig("a.b", payload, PayloadUUID="0", PayloadDisplayName="Office")
            change_profile(self.shown, content=content, actor=Actor(Source.ADMIN, label="ann@acme.example"))


class ContentTest(VersionsTestCase):
    def test_the_page_names_each_kind_of_payload_and_masks_its_secrets(self) -> None:
        text = text_of(self.client_.get(self.at(self.shown, "content")))
        for words in ("Wi-Fi", "com.apple.wifi.managed", "SSID_STR", "Lab", "•••••"):
            self.assertIn(words, text)
        self.assertNotIn("battery staple", text)
        self.assertIn("Office", text_of(self.client_.get(self.at(self.shown, "content") + "?version=2")))

    def test_the_profiles_page_shows_it_to_those_who_may_change_profiles(self) -> None:
        self.assertIn("What is in it", text_of(self.client_.get(self.at(self.shown, "change"))))
        text = text_of(self.reader.get(self.at(self.shown, "change")))
        self.assertNotIn("What is in it", text)
        self.assertNotIn("SSID_STR", text)

    def test_a_file_that_cannot_be_taken_apart_says_why(self) -> None:
        content = make_mobileconfig("a.b", make_payload(Port=3)).replace(b">3<", b">{{a&b}}<")
        profile = change_profile(self.shown, content=content, attribute_support=True, actor=SYSTEM)
        self.assertContains(self.client_.get(self.at(profile, "content")), "The file cannot be shown in parts")
        self.assertContains(self.client_.get(self.at(profile, "compare")), "These versions cannot be compared in parts")
        self.assertEqual(self.client_.get(self.at(profile, "change")).status_code, 200)

    def test_a_version_that_is_not_there_is_404(self) -> None:
        for query in ("?version=9", "?version=0", "?version=x", "?version=99999999999"):
            self.assertEqual(self.client_.get(self.at(self.shown, "content") + query).status_code, 404, query)
        self.assertEqual(self.client_.get(self.at(self.shown, "restore", 9)).status_code, 404)


class ComparePageTest(VersionsTestCase):
    def test_the_two_newest_are_compared_in_words_and_as_text(self) -> None:
        response = self.client_.get(self.at(self.shown, "compare"))
        self.assertEqual((response.context["older"].number, response.context["newer"].number), (2, 3))
        text = text_of(response)
        for words in ("SSID_STR", "<del>Office</del>", "<ins>Lab</ins>", "another secret", "Version 2", "Version 3"):
            self.assertIn(words, text)
        for secret in (SECRET, "battery staple"):
            self.assertNotIn(secret, text)

    def test_any_two_can_be_chosen(self) -> None:
        response = self.client_.get(self.at(self.shown, "compare") + "?from=3&to=2")
        self.assertContains(response, "<ins>Office</ins>")

    def test_it_says_when_there_is_nothing_to_tell(self) -> None:
        url = self.at(self.shown, "compare")
        self.assertContains(self.client_.get(url + "?from=2&to=2"), "one and the same version")
        change_profile(self.shown, content=self.shown.versions.get(number=3).content + b"\n", actor=SYSTEM)
        self.assertContains(self.client_.get(url), "The files differ in their form only")
        single = self.profile("only.one")
        self.assertContains(self.client_.get(self.at(single, "compare")), "There is only one so far.")

    def test_it_is_not_for_readers(self) -> None:
        for view in ("compare", "content"):
            self.assertEqual(self.reader.get(self.at(self.shown, view)).status_code, 403)
            self.assertEqual(self.outside.get(self.at(self.shown, view)).status_code, 404)

    def test_long_stretches_that_are_the_same_are_left_out(self) -> None:
        many = {f"Key{number:03}": number for number in range(60)}
        before, after = (
            make_mobileconfig("a.b", PAYLOAD | many),
            make_mobileconfig("a.b", PAYLOAD | many | {"Key030": 99}),
        )
        change_profile(self.shown, content=before, actor=SYSTEM)
        change_profile(self.shown, content=after, actor=SYSTEM)
        response = self.client_.get(self.at(self.shown, "compare"))
        payload = next(one for one in response.context["changes"] if one.payload.payload_type)
        self.assertEqual(
            len(compare(before, after)[-1].lines), sum(one.skipped + len(one.lines) for one in payload.hunks)
        )
        self.assertEqual(len(payload.hunks[0].lines), 7)
        self.assertContains(response, "lines are the same")


class RestoreTest(VersionsTestCase):
    def test_an_older_file_becomes_the_newest_version_and_goes_to_its_devices(self) -> None:
        device = make_device(self.account)
        make_profile_assignment(self.shown, device)
        self.assertContains(self.client_.get(self.at(self.shown, "restore", 1)), "It is sent to 1 device.")
        response = self.client_.post(self.at(self.shown, "restore", 1), follow=True)
        self.assertContains(response, "Version 1 is in force again, as version 4. It goes to 1 device.")
        self.shown.refresh_from_db()
        digests = dict(ProfileVersion.objects.filter(profile=self.shown).values_list("number", "digest"))
        self.assertEqual((self.shown.version, digests[4]), (4, digests[1]))
        self.assertEqual(self.events("profile.updated")[-1].metadata["restored_version"], 1)
        self.assertIn(device, marked())

    def test_the_version_in_force_is_left_alone(self) -> None:
        self.assertContains(self.client_.get(self.at(self.shown, "restore", 3)), "Nothing would be sent")
        response = self.client_.post(self.at(self.shown, "restore", 3), follow=True)
        self.assertContains(response, "Version 3 is in force already.")
        self.assertEqual(Profile.objects.get(pk=self.shown.pk).version, 3)

    def test_variables_that_nobody_fills_in_are_named_before(self) -> None:
        make_attribute(self.account, "room")
        old = make_mobileconfig("a.b", make_payload(Here="{{room}} {{attic}}"))
        change_profile(self.shown, content=old, attribute_support=True, actor=SYSTEM)
        change_profile(self.shown, content=make_mobileconfig("a.b", PAYLOAD), actor=SYSTEM)
        question = self.client_.get(self.at(self.shown, "restore", 4))
        self.assertContains(question, "Nobody fills in {{attic}}")

    def test_readers_and_strangers_restore_nothing(self) -> None:
        self.assertEqual(self.reader.post(self.at(self.shown, "restore", 1)).status_code, 403)
        self.assertEqual(self.outside.post(self.at(self.shown, "restore", 1)).status_code, 404)
        self.assertEqual(Profile.objects.get(pk=self.shown.pk).version, 3)


class ListOfVersionsTest(VersionsTestCase):
    def test_each_says_by_whom_how_large_and_with_which_fingerprint(self) -> None:
        text = text_of(self.reader.get(self.at(self.shown, "versions")))
        version = self.shown.versions.get(number=3)
        for words in ("In force", version.digest, "by ann@acme.example"):
            self.assertIn(words, text)
        self.assertNotIn("restore/", text)

    def test_older_ones_follow_on_the_next_page(self) -> None:
        with patch("apps_catalog.admin.profile_versions.PAGE", 2):
            first = self.client_.get(self.at(self.shown, "versions"))
            self.assertContains(first, "?before=2")
            rest = self.client_.get(self.at(self.shown, "versions") + "?before=2")
        self.assertEqual([one.number for one in rest.context["versions"]], [1])


class NumbersLaterTest(VersionsTestCase):
    def test_a_profile_on_very_many_devices_brings_its_numbers_after_its_page(self) -> None:
        for _ in range(3):
            self.install(self.shown, make_device(self.account), "installed")
        part = self.at(self.shown, "totals")
        with patch("apps_catalog.services.totals.COUNTED_AT_ONCE", 2):
            page = self.reader.get(self.at(self.shown, "change"))
            self.assertContains(page, f'hx-get="{part}"')
            self.assertNotIn("totals", page.context)
            self.assertContains(self.reader.get(self.at(self.shown, "devices")), "Installed")
        found = self.reader.get(part, headers={"HX-Request": "true"})
        self.assertNotContains(found, "<html")
        self.assertContains(found, "3 installed")
        self.assertContains(self.reader.get(part), "<html")

    def test_the_list_counts_no_further_than_it_says(self) -> None:
        for _ in range(3):
            self.install(self.shown, make_device(self.account), "installed")
        with (
            patch("apps_catalog.services.profile_status.MOST", 2),
            patch("apps_catalog.admin.profiles.MOST", 2),
        ):
            self.assertContains(self.reader.get(self.url(Profile, "changelist")), "2+ installed")
