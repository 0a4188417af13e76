"""Profiles in the admin: the list, one profile, its devices and versions, uploading, changing, assigning, deleting."""

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Device, Profile, ProfileAssignment, ProfileInstall
from devices.services.profiles import create_profile
from mdm.accounts.actors import SYSTEM, Source
from mdm.accounts.models import Account, Role
from mdm.common.downloads import entity_tag
from mdm.protocol.mobileconfig import MAX_BYTES
from tests.admin.base import AdminTestCase
from tests.factories import (
    make_assignment_group,
    make_attribute,
    make_device,
    make_group,
    make_mobileconfig,
    make_payload,
    make_profile,
    make_profile_assignment,
    make_signed,
)
from tests.factories.due import marked

MOST = 16
SECRET = "correct horse"


def file(content: bytes) -> SimpleUploadedFile:
    return SimpleUploadedFile("office.mobileconfig", content)


def text_of(response: HttpResponse) -> str:
    return " ".join(response.content.decode().split())


class ProfileTestCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client_ = self.people[Role.OPERATOR]
        self.reader = self.people[Role.READ_ONLY]

    def at(self, profile: Profile, view: str, *arguments: object) -> str:
        return self.url(Profile, view, profile.pk, *arguments)

    def profile(self, identifier: str = "a.b", text: str = SECRET, **fields: object) -> Profile:
        content = make_mobileconfig(identifier, make_payload(Password=text))
        return create_profile(self.account, "Office", content, actor=SYSTEM, **fields)

    def install(self, profile: Profile, device: Device, state: str, **fields: object) -> ProfileInstall:
        values = {"version": profile.version, "state": state, **fields}
        return ProfileInstall.objects.create(account=profile.account, profile=profile, device=device, **values)


class ListTest(ProfileTestCase):
    def test_a_row_says_what_is_in_it_where_it_is_and_how_far_it_has_come(self) -> None:
        content = make_mobileconfig("a.b", make_payload(), make_payload("com.apple.security.root"))
        profile = create_profile(self.account, "Office", content, actor=SYSTEM)
        make_profile_assignment(profile, make_group(self.account, "Sales"))
        make_profile_assignment(profile, make_assignment_group(self.account, name="Everyone"))
        make_profile_assignment(profile, make_device(self.account))
        for state in ("installed", "installed", "failed", "pushed", "removing"):
            self.install(profile, make_device(self.account), state)
        self.install(profile, make_device(self.account, enrolled=False), "installed")
        text = text_of(self.reader.get(self.url(Profile, "changelist")))
        for words in (
            "Office",
            "a.b",
            "Wi-Fi, Root certificate",
            "Sales, Everyone, 1 device",
            "2 installed · 2 on the way · 1 failed",
        ):
            self.assertIn(words, text)

    def test_deleted_ones_and_those_of_others_are_not_there(self) -> None:
        shown = make_profile(self.account)
        make_profile(self.account, removed_at=timezone.now())
        make_profile(self.other_account)
        response = self.reader.get(self.url(Profile, "changelist"))
        self.assertEqual(list(response.context["cl"].result_list), [shown])

    def test_it_is_found_by_name_and_identifier(self) -> None:
        office, home = make_profile(self.account, "Office", identifier="org.a"), make_profile(self.account, "Home")
        for words, found in (("offi", office), ("org.a", office), ("HOME", home)):
            response = self.reader.get(self.url(Profile, "changelist"), {"q": words})
            self.assertEqual(list(response.context["cl"].result_list), [found])

    def test_the_number_of_statements_does_not_grow(self) -> None:
        def grow(count: int) -> None:
            for number in range(count):
                profile = self.profile(f"grow.{Profile.objects.count()}.{number}")
                make_profile_assignment(profile, make_group(self.account))
                self.install(profile, make_device(self.account), "installed")

        def statements(url: str) -> int:
            with CaptureQueriesContext(connection) as captured:
                self.assertEqual(self.reader.get(url).status_code, 200)
            self.assertFalse([one for one in captured if '"content"' in one["sql"] and "LIMIT 21" not in one["sql"]])
            return len(captured)

        grow(2)
        self.reader.get(self.url(Profile, "changelist"))  # the first page of a session notes it
        few = statements(self.url(Profile, "changelist"))
        grow(30)
        self.assertEqual(statements(self.url(Profile, "changelist")), few)
        self.assertLessEqual(few, MOST)


class ProfilePageTest(ProfileTestCase):
    def test_facts_assignments_versions_and_totals(self) -> None:
        profile = self.profile(user_scope=False)
        sales = make_group(self.account, "Sales")
        make_profile_assignment(profile, sales)
        make_profile_assignment(profile, make_assignment_group(self.account, name="Everyone"))
        make_profile_assignment(profile, make_device(self.account, name="Reception"))
        self.install(profile, make_device(self.account, group=sales), "failed")
        response = self.reader.get(self.at(profile, "change"))
        text = text_of(response)
        for words in ("Sales", "Everyone", "Reception", "for the whole Mac", "1 version", "In force", "Wi-Fi"):
            self.assertIn(words, text)
        totals = {state.value: number for state, number, _ in response.context["totals"]}
        self.assertEqual((totals["failed"], totals["pending"]), (1, 1))
        self.assertIn(f'{self.at(profile, "devices")}?state=failed"', text)

    def test_readers_get_the_facts_and_never_the_content(self) -> None:
        profile = self.profile()
        device = make_device(self.account)
        for view, arguments in (("preview", ()), ("download", (1,)), ("edit", ()), ("assign", ())):
            self.assertEqual(self.reader.get(self.at(profile, view, *arguments)).status_code, 403)
        text = text_of(self.reader.get(self.at(profile, "change")))
        self.assertNotIn(SECRET, text)
        for word in ("preview/", "versions/1", "unassign/"):
            self.assertNotIn(word, text)
        self.assertEqual(self.reader.get(f"{self.at(profile, 'preview')}?device={device.pk}").status_code, 403)

    def test_unknown_variables_and_the_warnings_of_the_file_are_named(self) -> None:
        make_attribute(self.account, "room")
        payload = make_payload("com.example.app", Here="{{room}} {{attic}}")
        content = make_mobileconfig("a.b", payload)
        profile = create_profile(self.account, "App", content, attribute_support=True, actor=SYSTEM)
        text = text_of(self.reader.get(self.at(profile, "change")))
        self.assertIn("Unknown variable: <code>{{attic}}</code>", text)
        self.assertNotIn("<code>{{room}}</code>", text)
        self.assertIn("no payload of the type com.example.app", text)

    def test_variables_that_nobody_fills_in_are_named(self) -> None:
        profile = self.profile(text="{{attic}}")
        text = text_of(self.reader.get(self.at(profile, "change")))
        self.assertIn("Variables are not filled in", text)
        self.assertIn("<code>{{attic}}</code>", text)

    def test_whether_it_is_signed_is_said(self) -> None:
        profile = self.profile()
        self.assertIn("<dd>none</dd>", text_of(self.reader.get(self.at(profile, "change"))))
        Account.objects.filter(pk=self.account.pk).update(signs_profiles=True)
        self.assertIn("signed by this account", text_of(self.reader.get(self.at(profile, "change"))))

    def test_every_version_is_downloaded_byte_for_byte(self) -> None:
        first, second = (make_signed(make_mobileconfig("a.b")) for _ in range(2))
        profile = create_profile(self.account, "Office: all", first, actor=SYSTEM)
        self.client_.post(self.at(profile, "edit"), {"name": "Office: all", "file": file(second)})
        for number, content in ((1, first), (2, second)):
            response = self.client_.get(self.at(profile, "download", number))
            self.assertEqual((response.status_code, response.content), (200, content))
            self.assertEqual(response["ETag"], entity_tag(content))
            self.assertTrue(response["ETag"].startswith('W/"'))
            self.assertIn("Office_ all.mobileconfig", response["Content-Disposition"])
            self.assertIn("private", response["Cache-Control"])
            again = self.client_.get(self.at(profile, "download", number), headers={"If-None-Match": response["ETag"]})
            self.assertEqual((again.status_code, again.content), (304, b""))
        self.assertEqual(self.client_.get(self.at(profile, "download", 3)).status_code, 404)
        self.assertEqual(self.outside.get(self.at(profile, "download", 1)).status_code, 404)


class DevicesTest(ProfileTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.shown = self.profile(user_scope=False)
        self.sales = make_group(self.account, "Sales")
        make_profile_assignment(self.shown, self.sales)

    def get(self, query: str = "") -> HttpResponse:
        return self.reader.get(self.at(self.shown, "devices") + query)

    def test_devices_in_a_state_with_the_devices_own_words(self) -> None:
        failed = make_device(self.account, group=self.sales, name="Unlucky")
        self.install(self.shown, failed, "failed", error="<b>No room</b>", attempts=2, retry_at=timezone.now())
        self.install(self.shown, make_device(self.account, group=self.sales, name="Lucky"), "installed")
        waiting = make_device(self.account, group=self.sales, name="Waiting")
        text = text_of(self.get("?state=failed"))
        for words in ("Unlucky", "&lt;b&gt;No room&lt;/b&gt;", "2 attempts failed; next attempt"):
            self.assertIn(words, text)
        self.assertNotIn("Lucky<", text.replace("Unlucky", ""))
        self.assertIn(f"{self.url(Device, 'change', failed.pk)}?tab=assigned", text)
        self.assertIn("Waiting", text_of(self.get("?state=pending")))
        self.assertEqual([row.device for row in self.get("?state=pending").context["rows"]], [waiting])
        self.assertEqual(len(self.get().context["rows"]), 3)
        self.assertEqual(len(self.get("?state=nonsense").context["rows"]), 3)
        self.assertContains(self.get("?state=removing"), "No device is in this state.")

    def test_many_come_page_by_page(self) -> None:
        devices = [make_device(self.account, group=self.sales) for _ in range(103)]
        first = self.get("?state=pending")
        self.assertEqual([row.device for row in first.context["rows"]], devices[:100])
        rest = self.reader.get(first.context["more"])
        self.assertEqual([row.device for row in rest.context["rows"]], devices[100:])
        self.assertEqual(rest.context["more"], "")
        self.assertContains(rest, "First page")

    def test_the_number_of_statements_does_not_grow(self) -> None:
        def statements() -> int:
            with CaptureQueriesContext(connection) as captured:
                self.get()
            return len(captured)

        self.install(self.shown, make_device(self.account), "failed")
        self.get()  # the first page of a session notes it
        few = statements()
        for _ in range(20):
            self.install(self.shown, make_device(self.account), "failed")
        self.assertEqual(statements(), few)


class UploadTest(ProfileTestCase):
    def upload(self, content: bytes, **fields: object) -> HttpResponse:
        return self.client_.post(self.url(Profile, "add"), {"file": file(content), **fields}, follow=True)

    def test_a_file_with_settings_and_groups(self) -> None:
        sales = make_group(self.account, "Sales")
        device = make_device(self.account, group=sales)
        content = make_mobileconfig("a.b")
        given = {"name": "Office", "attribute_support": "on", "escape_attributes": "on", "device_groups": [sales.pk]}
        response = self.upload(content, **given)
        profile = Profile.objects.get()
        self.assertRedirects(response, self.at(profile, "change"))
        self.assertContains(response, "The profile was uploaded. It goes to 1 device.")
        self.assertEqual((profile.name, profile.user_scope, profile.attribute_support), ("Office", False, True))
        self.assertEqual(profile.versions.get().content, content)
        self.assertEqual(marked(), {device})
        created = self.events("profile.created")[0]
        self.assertEqual((created.user, created.source), (self.users[Role.OPERATOR], Source.ADMIN))
        self.assertEqual(len(self.events("profile.assigned")), 1)

    def test_without_a_name_it_is_called_as_the_file_says(self) -> None:
        self.upload(make_mobileconfig("a.b", PayloadDisplayName="Staff Wi-Fi"))
        self.upload(make_mobileconfig("c.d", PayloadDisplayName=None))
        self.assertEqual(set(Profile.objects.values_list("name", flat=True)), {"Staff Wi-Fi", "c.d"})

    def test_unknown_variables_are_shown_before_anything_is_deployed(self) -> None:
        sales = make_group(self.account, "Sales")
        make_device(self.account, group=sales)
        content = make_mobileconfig("a.b", make_payload(Here="{{attic}}"))
        response = self.upload(content, name="Office", attribute_support="on", device_groups=[sales.pk])
        profile = Profile.objects.get()
        self.assertRedirects(response, f"{self.at(profile, 'assign')}?group={sales.pk}")
        self.assertContains(response, "<code>{{attic}}</code>")
        self.assertContains(response, "It is not assigned yet")
        self.assertEqual((ProfileAssignment.objects.count(), marked()), (0, set()))
        ticked = response.context["form"]["device_groups"].initial
        self.assertEqual(ticked, [sales.pk])
        self.client_.post(self.at(profile, "assign"), {"device_groups": [sales.pk]})
        self.assertEqual(ProfileAssignment.objects.get().device_group, sales)

    def test_what_is_no_profile_is_refused_with_the_reason(self) -> None:
        make_profile(self.account, "Home", identifier="c.d")
        for content, words in (
            (b"nonsense", "not a property list"),
            (make_mobileconfig("c.d"), "has the PayloadIdentifier c.d already"),
            (b"", "empty"),
            (b" " * (MAX_BYTES + 1), "10 MiB"),
        ):
            response = self.upload(content, name="Office")
            self.assertIn(words, str(response.context["form"].errors["file"]))
        self.assertEqual(Profile.objects.count(), 1)
        self.assertTrue(self.client_.post(self.url(Profile, "add"), {"name": "x"}).context["form"].errors["file"])

    def test_groups_of_another_account_are_refused(self) -> None:
        theirs = make_group(self.other_account)
        response = self.upload(make_mobileconfig(), device_groups=[theirs.pk])
        self.assertIn("device_groups", response.context["form"].errors)
        self.assertFalse(Profile.objects.exists())


class EditTest(ProfileTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.shown = self.profile(user_scope=False)
        self.device = make_device(self.account)
        make_profile_assignment(self.shown, self.device)

    def save(self, **fields: object) -> HttpResponse:
        return self.client_.post(self.at(self.shown, "edit"), {"name": "Office", **fields}, follow=True)

    def test_it_says_how_many_devices_are_concerned(self) -> None:
        response = self.client_.get(self.at(self.shown, "edit"))
        self.assertContains(response, "It will be sent to 1 device.")
        self.assertNotContains(response, "Send it although")

    def test_a_new_file_is_a_new_version(self) -> None:
        content = make_mobileconfig("a.b")
        response = self.save(file=file(content))
        self.assertContains(response, "Saved as version 2. It goes to 1 device.")
        self.shown.refresh_from_db()
        self.assertEqual((self.shown.version, self.shown.versions.get(number=2).content), (2, content))
        self.assertEqual(marked(), {self.device})
        self.assertEqual(self.events("profile.updated")[0].user, self.users[Role.OPERATOR])

    def test_a_new_name_is_sent_to_nobody(self) -> None:
        response = self.save(name="Home")
        self.assertContains(response, "Saved. Nothing has to be sent.")
        self.shown.refresh_from_db()
        self.assertEqual((self.shown.name, self.shown.version, marked()), ("Home", 1, set()))

    def test_another_channel_is_sent_without_a_new_version(self) -> None:
        self.assertContains(self.save(user_scope="on"), "Saved. It goes to 1 device.")
        self.assertEqual(marked(), {self.device})

    def test_another_identifier_and_an_empty_name_are_refused(self) -> None:
        for fields, field in (({"file": file(make_mobileconfig("c.d"))}, "file"), ({"name": ""}, "name")):
            self.assertIn(field, self.save(**fields).context["form"].errors)
        self.shown.refresh_from_db()
        self.assertEqual((self.shown.name, self.shown.version), ("Office", 1))

    def test_unknown_variables_are_asked_about_before_devices_get_them(self) -> None:
        content = make_mobileconfig("a.b", make_payload(Here="{{attic}}"))
        response = self.save(file=file(content), attribute_support="on")
        self.assertContains(response, "Unknown: {{attic}}. 1 device would get this as it stands.")
        self.assertContains(response, "Send it although variables are unknown")
        self.shown.refresh_from_db()
        self.assertEqual((self.shown.version, marked()), (1, set()))
        response = self.save(file=file(content), attribute_support="on", anyway="on")
        self.assertContains(response, "Saved as version 2.")
        self.assertContains(response, "<code>{{attic}}</code>")

    def test_nobody_is_asked_where_no_device_is_concerned(self) -> None:
        ProfileAssignment.objects.all().delete()
        content = make_mobileconfig("a.b", make_payload(Here="{{attic}}"))
        response = self.save(file=file(content), attribute_support="on")
        self.assertContains(response, "Saved as version 2. No enrolled device is concerned.")

    def test_turning_filling_in_on_is_asked_about_as_well(self) -> None:
        shown = self.profile("c.d", "{{attic}}")
        make_profile_assignment(shown, self.device)
        url = self.at(shown, "edit")
        self.assertContains(self.client_.post(url, {"name": "Office", "attribute_support": "on"}), "Unknown: {{attic}}")
        saved = self.client_.post(url, {"name": "Office", "attribute_support": "on", "anyway": "on"})
        self.assertRedirects(saved, self.at(shown, "change"))


class AssignTest(ProfileTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.shown = self.profile()

    def assign(self, **fields: object) -> HttpResponse:
        return self.client_.post(self.at(self.shown, "assign"), fields, follow=True)

    def owners(self) -> set[object]:
        rows = ProfileAssignment.objects.filter(profile=self.shown)
        return {one.device or one.device_group or one.assignment_group for one in rows}

    def test_groups_of_both_kinds_and_devices_by_any_name(self) -> None:
        sales = make_group(self.account, "Sales")
        phone, pad = make_device(self.account, group=sales), make_device(self.account, name="Reception iPad")
        everyone = make_assignment_group(self.account, members=[phone])
        mac = make_device(self.account, serial_number="C02X")
        lines = f"c02x\n Reception iPad \n\n{mac.udid}\n"
        response = self.assign(device_groups=[sales.pk], assignment_groups=[everyone.pk], devices=lines)
        self.assertContains(response, "Assigned. It goes to 3 devices.")
        self.assertEqual(self.owners(), {sales, everyone, mac, pad})
        self.assertEqual(marked(), {phone, pad, mac})
        self.assertEqual(len(self.events("profile.assigned")), 4)

    def test_unknown_variables_are_named_first(self) -> None:
        shown = self.profile("c.d", "{{attic}}", attribute_support=True)
        self.assertContains(self.client_.get(self.at(shown, "assign")), "<code>{{attic}}</code>")

    def test_groups_that_have_it_are_not_offered(self) -> None:
        sales, lab = make_group(self.account, "Sales"), make_group(self.account, "Lab")
        make_profile_assignment(self.shown, sales)
        form = self.client_.get(self.at(self.shown, "assign")).context["form"]
        offered = set(form.fields["device_groups"].queryset)
        self.assertEqual(offered, {lab, self.group})
        self.assertNotIn("assignment_groups", form.fields)

    def test_lines_that_name_no_device_or_several_are_refused_as_a_whole(self) -> None:
        make_device(self.other_account, serial_number="THEIRS")
        for _ in range(2):
            make_device(self.account, name="Twin")
        make_device(self.account, name="Good")
        for line, words in (("THEIRS", "is no device"), ("Twin", "the name of several"), ("x\x00", "")):
            errors = self.assign(devices=f"Good\n{line}").context["form"].errors
            self.assertIn(words, str(errors["devices"]))
        self.assertIn("At most 200", str(self.assign(devices="\n".join(map(str, range(201)))).context["form"].errors))
        self.assertEqual(self.owners(), set())

    def test_nothing_chosen_is_said(self) -> None:
        self.assertContains(self.assign(devices=" \n"), "Choose a group, or name a device.")

    def test_it_is_taken_back_after_a_question(self) -> None:
        sales = make_group(self.account, "Sales")
        device = make_device(self.account, group=sales)
        one = make_profile_assignment(self.shown, sales)
        url = self.at(self.shown, "unassign")
        question = self.client_.post(url, {"assignment": one.pk})
        self.assertContains(question, "1 device loses it")
        self.assertEqual(self.owners(), {sales})
        self.client_.post(url, {"assignment": one.pk, "confirmed": "yes"})
        self.assertEqual((self.owners(), marked()), (set(), {device}))
        self.assertEqual(len(self.events("profile.unassigned")), 1)
        self.assertEqual(self.client_.post(url, {"assignment": one.pk, "confirmed": "yes"}).status_code, 404)

    def test_assignments_of_another_profile_are_not_taken_back_here(self) -> None:
        other = make_profile_assignment(self.profile("c.d"), make_group(self.account))
        for given in (other.pk, "x", ""):
            response = self.client_.post(self.at(self.shown, "unassign"), {"assignment": given, "confirmed": "yes"})
            self.assertEqual(response.status_code, 404)
        self.assertTrue(ProfileAssignment.objects.filter(pk=other.pk).exists())


class DeleteTest(ProfileTestCase):
    def test_the_question_names_how_many_devices_lose_it(self) -> None:
        profile = self.profile()
        for state, version in (("installed", 1), ("failed", 1), ("pushed", None)):
            self.install(profile, make_device(self.account), state, installed_version=version)
        response = self.client_.get(self.at(profile, "remove"))
        self.assertContains(response, "2 devices lose it")
        self.assertContains(response, "1 device that should have had it will not get it.")

    def test_it_leaves_list_and_devices(self) -> None:
        profile = self.profile()
        device = make_device(self.account)
        make_profile_assignment(profile, device)
        response = self.client_.post(self.at(profile, "remove"), follow=True)
        self.assertContains(response, "The profile “Office” was deleted.")
        self.assertEqual(self.client_.get(self.at(profile, "change")).status_code, 404)
        self.assertEqual(marked(), {device})
        self.assertEqual(self.events("profile.removed")[0].user, self.users[Role.OPERATOR])

    def test_where_no_device_has_it_that_is_said(self) -> None:
        self.assertContains(self.client_.get(self.at(self.profile(), "remove")), "No enrolled device has it")


class SignProfilesTest(ProfileTestCase):
    def test_the_switch_of_the_account_is_logged(self) -> None:
        url = self.url(Account, "change", self.account.pk)
        data = {"name": self.account.name, "apple_store_country_code": "US", "signs_profiles": "on"}
        self.assertContains(self.reader.get(url), "As they were uploaded")
        self.people[Role.ADMIN].post(url, data)
        self.account.refresh_from_db()
        self.assertTrue(self.account.signs_profiles)
        self.assertEqual(self.events("account.updated")[0].metadata["changed"], ["signs_profiles"])
        self.assertEqual(self.people[Role.OPERATOR].post(url, data).status_code, 403)
