"""Uploading, replacing, downloading: the files of custom configuration profiles."""

import hashlib
import io
import json

from django.core.files.uploadedfile import SimpleUploadedFile

from devices.models import Profile, ProfileVersion
from mdm.events.models import Event
from mdm.protocol.mobileconfig import MAX_BYTES
from tests.base import AccountTestCase
from tests.factories import make_device, make_mobileconfig, make_profile, make_profile_assignment, make_signed
from tests.factories.due import is_marked

URL = "/api/v1/custom_configuration_profiles"


def upload(content: bytes, name: str = "office.mobileconfig") -> io.BytesIO:
    file = io.BytesIO(content)
    file.name = name
    return file


class CreateTest(AccountTestCase):
    def test_a_file_and_a_name(self):
        content = make_mobileconfig("com.example.office")
        response = self.api.post(URL, {"name": "Office", "mobileconfig": upload(content)})
        self.assertEqual(response.status_code, 201, response.content)
        profile = Profile.objects.get(account=self.account)
        self.assertEqual(
            response.json(),
            {
                "data": {
                    "type": "custom_configuration_profile",
                    "id": profile.pk,
                    "attributes": {
                        "name": "Office",
                        "profile_identifier": "com.example.office",
                        "user_scope": True,
                        "attribute_support": False,
                        "escape_attributes": False,
                        "reinstall_after_os_update": False,
                        "group_count": 0,
                        "device_count": 0,
                    },
                    "relationships": {"device_groups": {"data": [], "groups": {"data": []}}, "groups": {"data": []}},
                }
            },
        )
        event = Event.objects.get(event_type="profile.created")
        self.assertEqual((event.actor_label, event.api_key_id), ("Test key", self.api_key.pk))

    def test_flags_in_the_query_and_the_file_in_the_body(self):
        query = "name=Office&user_scope=0&attribute_support=True&escape_attributes=1&reinstall_after_os_update=true"
        response = self.api.post(f"{URL}?{query}", {"mobileconfig": upload(make_mobileconfig())})
        self.assertEqual(response.status_code, 201, response.content)
        profile = Profile.objects.get()
        self.assertEqual((profile.name, profile.user_scope, profile.attribute_support), ("Office", False, True))
        self.assertEqual((profile.escape_attributes, profile.reinstall_after_os_update), (True, True))

    def test_as_text(self):
        content = make_mobileconfig()
        for body in (
            {"json": {"name": "A", "mobileconfig": content.decode()}},
            {"data": {"mobileconfig": content.decode()}},
        ):
            Profile.objects.all().delete()
            response = self.api.post(f"{URL}?name=A", **body)
            self.assertEqual(response.status_code, 201, response.content)
            self.assertEqual(ProfileVersion.objects.get().content, content)

    def test_multipart_labelled_as_json(self):
        content = make_mobileconfig()
        body = (
            b'--x\r\nContent-Disposition: form-data; name="mobileconfig"; filename="a"\r\n\r\n'
            + content
            + b"\r\n--x--\r\n"
        )
        response = self.api.request("POST", f"{URL}?name=A", body, "application/json")
        self.assertEqual(response.status_code, 201, response.content)
        self.assertEqual(ProfileVersion.objects.get().content, content)

    def test_name_and_file_are_needed(self):
        for given in ({}, {"name": "A"}, {"name": "", "mobileconfig": upload(make_mobileconfig())}):
            self.assertEqual(self.api.post(URL, given).status_code, 422)
        response = self.api.post(URL, json={"name": "A", "mobileconfig": ["a"]})
        self.assertEqual(
            (response.status_code, response.json()["errors"][0]["title"]),
            (422, "mobileconfig: Send it as a file or as text."),
        )
        self.assertEqual(Profile.objects.count(), 0)

    def test_an_identifier_that_is_taken(self):
        first = make_profile(self.account, "Home", identifier="a.b")
        make_profile(self.other_account, identifier="c.d")
        response = self.api.post(URL, {"name": "A", "mobileconfig": upload(make_mobileconfig("a.b"))})
        self.assertEqual(response.status_code, 422)
        self.assertIn(f"“Home” ({first.pk})", response.json()["errors"][0]["title"])
        response = self.api.post(URL, {"name": "A", "mobileconfig": upload(make_mobileconfig("c.d"))})
        self.assertEqual(response.status_code, 201)


class HostileUploadTest(AccountTestCase):
    def refused(self, content: bytes) -> str:
        response = self.api.post(URL, {"name": "A", "mobileconfig": upload(content)})
        self.assertEqual(response.status_code, 422, response.content)
        self.assertEqual(Profile.objects.count() + Event.objects.count(), 0)
        return response.json()["errors"][0]["title"]

    def test_the_fault_is_named(self):
        for content, words in (
            (b"", "The file is empty."),
            (bytes(range(256)) * 10, "not a property list"),
            (b"<!DOCTYPE html><html><body>504</body></html>", "web page"),
            (b"<plist>" + b"<array>" * 50_000 + b"</array>" * 50_000 + b"</plist>", "nested"),
            (b'<!DOCTYPE p [<!ENTITY a "b">]><plist>&a;</plist>', "entities"),
            (b"\x30\x82\x00\x05hello", "signature"),
            (make_mobileconfig(PayloadContent=[]), "PayloadContent"),
        ):
            self.assertIn(words, self.refused(content))

    def test_ten_mebibytes_and_no_more(self):
        self.assertIn("10 MiB", self.refused(b"\0" * (MAX_BYTES + 1)))
        response = self.api.post(URL, {"name": "A", "mobileconfig": upload(b"\0" * (MAX_BYTES + 100_000))})
        self.assertEqual(response.status_code, 413)
        content = make_mobileconfig()
        response = self.api.post(
            URL, {"name": "A", "mobileconfig": upload(content + b"\n" * (MAX_BYTES - len(content)))}
        )
        self.assertEqual(response.status_code, 201)
        self.assertEqual(ProfileVersion.objects.get().size, MAX_BYTES)


class UpdateTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.content = make_mobileconfig("a.b")
        self.profile = make_profile(self.account, "Office", identifier="a.b", content=self.content)
        self.device = make_device(self.account)
        make_profile_assignment(self.profile, self.device)
        self.url = f"{URL}/{self.profile.pk}"

    def patch(self, **given):
        """As a form: PATCH with files comes as multipart, or as a POST that says so."""
        return self.api.post(self.url, {"_method": "PATCH", **given})

    def test_a_new_file(self):
        content = make_mobileconfig("a.b")
        response = self.patch(mobileconfig=upload(content))
        self.assertEqual((response.status_code, response.json()["data"]["id"]), (200, self.profile.pk))
        self.assertEqual(response.json()["data"]["attributes"]["device_count"], 1)
        self.assertEqual(self.api.get(f"{self.url}/download").content, content)
        event = Event.objects.get()
        self.assertEqual((event.event_type, event.api_key_id), ("profile.updated", self.api_key.pk))
        self.device.refresh_from_db()
        self.assertTrue(is_marked(self.device))

    def test_single_attributes(self):
        response = self.api.patch(self.url, {"name": "Home", "user_scope": False})
        attributes = response.json()["data"]["attributes"]
        self.assertEqual((response.status_code, attributes["name"], attributes["user_scope"]), (200, "Home", False))
        self.assertEqual(self.api.get(f"{self.url}/download").content, self.content)

    def test_nothing_new_is_no_change(self):
        self.assertEqual(self.api.patch(self.url, {}).status_code, 200)
        self.assertEqual(self.patch(mobileconfig=upload(self.content), name="Office").status_code, 200)
        self.assertEqual((ProfileVersion.objects.count(), Event.objects.count()), (1, 0))

    def test_another_identifier_and_bad_files_are_refused(self):
        for content, words in ((make_mobileconfig("c.d"), "c.d, that of the profile a.b"), (b"", "empty")):
            response = self.patch(mobileconfig=upload(content), name="Home")
            self.assertEqual(response.status_code, 422)
            self.assertIn(words, response.json()["errors"][0]["title"])
        self.profile.refresh_from_db()
        self.assertEqual((self.profile.name, self.profile.version), ("Office", 1))

    def test_an_outsider_gets_404(self):
        self.assertEqual(self.outsider_api.patch(self.url, {"name": "Mine"}).status_code, 404)
        self.assertEqual(Profile.objects.get().name, "Office")


class DownloadTest(AccountTestCase):
    def download(self, profile: Profile, **options):
        return self.api.get(f"{URL}/{profile.pk}/download", **options)

    def test_every_upload_comes_back_byte_for_byte(self):
        for content in (
            make_mobileconfig("a.1"),
            make_mobileconfig("a.2").replace(b"\n", b"\r\n"),
            make_mobileconfig("a.3", is_binary=True),
            make_signed(make_mobileconfig("a.4")),
        ):
            file = SimpleUploadedFile("a.mobileconfig", content)
            pk = self.api.post(URL, {"name": "A", "mobileconfig": file}).json()["data"]["id"]
            response = self.api.get(f"{URL}/{pk}/download")
            self.assertEqual((response.status_code, response.content), (200, content))

    def test_headers(self):
        content = make_mobileconfig()
        response = self.download(make_profile(self.account, "Büro: “Wi-Fi”", content=content))
        self.assertEqual(response["Content-Type"], "application/x-apple-aspen-config")
        self.assertEqual(
            response["Content-Disposition"],
            "attachment; filename*=utf-8''B%C3%BCro_%20%E2%80%9CWi-Fi%E2%80%9D.mobileconfig",
        )
        self.assertEqual(response["ETag"], f'W/"{hashlib.md5(content).hexdigest()}"')

    def test_whatever_type_the_client_asks_for(self):
        profile = make_profile(self.account)
        for accepted in ("application/x-apple-aspen-config", "application/octet-stream", "application/xml"):
            response = self.download(profile, headers={"Accept": accepted})
            self.assertEqual(
                (response.status_code, response["Content-Type"]), (200, "application/x-apple-aspen-config")
            )
        profile.delete()
        response = self.download(profile, headers={"Accept": "application/xml"})
        self.assertEqual((response.status_code, response["Content-Type"]), (404, "application/json"))

    def test_file_names_hold_nothing_unfit(self):
        response = self.download(make_profile(self.account, 'a/b\r\nX: "c".mobileconfig'))
        self.assertEqual(response["Content-Disposition"], 'attachment; filename="a_b__X_ _c_.mobileconfig"')

    def test_what_the_client_has_is_not_sent_again(self):
        profile = make_profile(self.account)
        tag = self.download(profile)["ETag"]
        response = self.download(profile, headers={"If-None-Match": tag})
        self.assertEqual((response.status_code, response.content, response["ETag"]), (304, b"", tag))
        response = self.download(profile, headers={"If-None-Match": 'W/"0"'})
        self.assertEqual(response.status_code, 200)

    def test_strangers_and_deleted_ones_are_404(self):
        foreign, mine = make_profile(self.other_account), make_profile(self.account)
        self.assertEqual(self.download(foreign).status_code, 404)
        self.api.delete(f"{URL}/{mine.pk}")
        self.assertEqual(self.download(mine).status_code, 404)
        self.assertEqual(json.loads(self.download(mine).content), {"errors": [{"title": "object not found"}]})
