import re
from datetime import timedelta
from urllib.parse import urlsplit

from django.test import Client, override_settings
from django.utils import timezone

from enrollment.models import ScepChallenge
from mdm.push.models import PushCertificate
from tests.enrollment.base import EnrollmentTestCase
from tests.factories import make_device, make_enrollment, make_user
from tests.mdm.protocol.profiles import read_profile

IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0"


class PageTestCase(EnrollmentTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.client = Client()

    def page(self, code: str, user_agent: str = IPHONE, **options: object):
        return self.client.get("/e/", {"c": code}, headers={"User-Agent": user_agent}, **options)

    def text(self, response) -> str:
        """What a person reads."""
        body = re.sub(r"<(style|svg|head)\b.*?</\1>", " ", response.content.decode(), flags=re.S)
        return " ".join(re.sub(r"<[^>]+>", " ", body).split())


class StartPageTest(PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.device = make_device(self.account, enrolled=False, name="Anna's iPhone")
        self.enrollment = make_enrollment(device=self.device, created_by=self.owner)

    def test_it_tells_what_to_do(self):
        response = self.page(self.enrollment.code)
        self.assertEqual(response.status_code, 200)
        text = self.text(response)
        for words in (
            "Acme",
            "Set up your device",
            "VPN &amp; Device Management",
            "System Settings",
            "Profile Downloaded",
        ):
            self.assertIn(words, text)
        self.assertIn("Anna&#x27;s iPhone", text)
        self.assertIn(self.owner.email, text)

    def test_the_button_links_the_profile(self):
        html = self.page(self.enrollment.code).content.decode()
        (link,) = re.findall(r'<a [^>]*href="([^"]+)"[^>]*\bdata-profile\b[^>]*>', html)
        self.assertEqual(link, f"/e/profile?c={self.enrollment.code}")
        self.assertEqual(self.client.get(link).status_code, 200)

    def test_the_qr_code_is_drawn_inline_and_differs_with_the_link(self):
        other = make_enrollment(self.account)
        codes = [
            re.search(r"<svg\b.*?</svg>", self.page(e.code).content.decode(), re.S).group()
            for e in (self.enrollment, other)
        ]
        self.assertNotEqual(*codes)
        self.assertIn("<path", codes[0])

    def test_the_likely_steps_come_first_and_open(self):
        for user_agent, first in ((IPHONE, "iPhone or iPad"), (MAC, "Mac"), (WINDOWS, "iPhone or iPad")):
            html = self.page(self.enrollment.code, user_agent).content.decode()
            opened, closed = re.findall(r"<details class=\"card fold\"( open)?>\s*<summary>([^<]+)</summary>", html)
            self.assertTrue(opened[1].endswith(first), user_agent)
            self.assertEqual((opened[0], closed[0]), (" open", ""))

    def test_another_computer_is_told_to_use_the_device_itself(self):
        self.assertIn("Open this page on the device", self.text(self.page(self.enrollment.code, WINDOWS)))
        self.assertNotIn("Open this page on the device", self.text(self.page(self.enrollment.code, IPHONE)))

    def test_without_a_person_to_ask_it_is_the_it_team(self):
        self.owner.is_active = False
        self.owner.save()
        text = self.text(self.page(self.enrollment.code))
        self.assertIn("the IT team of Acme", text)
        self.assertNotIn(self.owner.email, text)

    def test_a_group_link_says_nothing_of_one_device(self):
        self.assertNotIn("one device", self.text(self.page(make_enrollment(self.account).code)))

    def test_names_cannot_inject_anything(self):
        self.account.name = "<script>alert(1)</script>"
        self.account.save()
        self.assertNotContains(self.page(self.enrollment.code), "<script>")

    def test_nothing_is_loaded_from_elsewhere_and_no_script_is_used(self):
        html = self.page(self.enrollment.code).content.decode()
        self.assertNotIn("<script", html)
        self.assertNotIn("style=", html)
        loaded = re.findall(r'(?:src|<link[^>]+href)="([^"]+)"', html)
        self.assertEqual({urlsplit(url).netloc for url in loaded}, {""})

    def test_spaces_around_the_code_do_no_harm(self):
        self.assertEqual(self.page(f"  {self.enrollment.code}\n").status_code, 200)

    def test_head_answers_like_get(self):
        response = self.client.head("/e/", {"c": self.enrollment.code})
        self.assertEqual((response.status_code, response.content), (200, b""))

    def test_a_post_is_405(self):
        self.assertEqual(self.client.post("/e/").status_code, 405)
        self.assertEqual(self.client.post("/e/profile").status_code, 405)

    def test_looking_at_the_page_makes_no_challenge(self):
        self.page(self.enrollment.code)
        self.assertFalse(ScepChallenge.objects.exists())


class HeadersTest(PageTestCase):
    def test_every_answer_keeps_the_code_private_and_sets_no_cookie(self):
        open_link, closed = make_enrollment(self.account), make_enrollment(self.account, revoked_at=timezone.now())
        for path in ("/e/", "/e/profile"):
            for code in ("", "unknown", open_link.code, closed.code):
                response = self.client.get(path, {"c": code})
                with self.subTest(path=path, status=response.status_code):
                    self.assertEqual(response["Cache-Control"], "no-store")
                    self.assertEqual(response["Referrer-Policy"], "no-referrer")
                    self.assertIn("default-src 'none'", response["Content-Security-Policy"])
                    self.assertIn("noindex", response["X-Robots-Tag"])
                    self.assertFalse(response.cookies)


class ClosedPagesTest(PageTestCase):
    def test_without_a_code_it_asks_for_one(self):
        for query in ({}, {"c": ""}, {"c": "  "}):
            response = self.client.get("/e/", query)
            self.assertEqual(response.status_code, 200)
            self.assertContains(response, 'name="c"')
            self.assertContains(response, 'method="get"')

    def test_unknown_codes_are_404_on_both_urls(self):
        for code in ("unknown", "x" * 5000, "a\x00b", "' OR 1=1 --", "\ud7ff"):
            for path in ("/e/", "/e/profile"):
                response = self.client.get(path, {"c": code})
                self.assertEqual(response.status_code, 404)
                self.assertIn("This link is not known", self.text(response))
        self.assertEqual(self.client.get("/e/profile").status_code, 404)

    def test_closed_links_are_410_and_say_what_to_do(self):
        past = timezone.now() - timedelta(minutes=1)
        device = make_device(self.account, enrolled=False)
        cases = [
            ({"device": device, "spent_at": past}, "was used already"),
            ({"revoked_at": past}, "no longer valid"),
            ({"expires_at": past}, "has expired"),
        ]
        for fields, words in cases:
            enrollment = make_enrollment(self.account, created_by=self.owner, **fields)
            for path in ("/e/", "/e/profile"):
                response = self.client.get(path, {"c": enrollment.code})
                self.assertEqual(response.status_code, 410)
                for part in (words, "What to do now", "new link", self.owner.email, "Acme"):
                    self.assertIn(part, self.text(response))
        self.assertFalse(ScepChallenge.objects.exists())

    def test_the_link_of_a_removed_device_is_410(self):
        device = make_device(self.account, removed_at=timezone.now())
        self.assertEqual(self.page(make_enrollment(device=device).code).status_code, 410)

    def test_without_a_free_licence_it_is_403_with_the_reason(self):
        self.account.license_total = 1
        self.account.save()
        enrolled = make_device(self.account)
        enrollment = make_enrollment(self.account)
        for path in ("/e/", "/e/profile"):
            response = self.client.get(path, {"c": enrollment.code})
            self.assertEqual(response.status_code, 403)
            self.assertIn("licences", self.text(response))
        self.assertFalse(ScepChallenge.objects.exists())
        with self.subTest("an enrolled device may enroll again"):
            self.assertEqual(self.page(make_enrollment(device=enrolled).code).status_code, 200)

    def test_a_licence_is_left(self):
        self.account.license_total = 2
        self.account.save()
        make_device(self.account)
        make_device(self.account, enrolled=False)
        make_device(self.other_account)
        self.assertEqual(self.page(make_enrollment(self.account).code).status_code, 200)


class DownloadTest(PageTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.enrollment = make_enrollment(self.account, created_by=make_user(self.account))

    def download(self):
        return self.client.get("/e/profile", {"c": self.enrollment.code})

    def test_it_is_a_signed_profile_to_be_saved(self):
        response = self.download()
        self.assertEqual(response["Content-Type"], "application/x-apple-aspen-config")
        self.assertEqual(response["Content-Disposition"], 'attachment; filename="enroll.mobileconfig"')
        self.assertEqual(read_profile(response.content)["PayloadOrganization"], "Acme")

    def test_each_download_has_its_own_challenge(self):
        self.download()
        self.download()
        self.assertEqual(ScepChallenge.objects.filter(enrollment=self.enrollment).count(), 2)

    def test_asking_for_the_headers_makes_no_challenge(self):
        response = self.client.head("/e/profile", {"c": self.enrollment.code})
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response["Content-Type"], "application/x-apple-aspen-config")
        self.assertFalse(ScepChallenge.objects.exists())

    def test_it_works_without_a_push_certificate(self):
        self.assertFalse(PushCertificate.objects.exists())
        self.assertEqual(self.download().status_code, 200)

    @override_settings(BASE_URL="https://mdm.example.com:8443")
    def test_the_page_and_the_profile_use_the_public_address(self):
        self.assertEqual(self.enrollment.url, f"https://mdm.example.com:8443/e/?c={self.enrollment.code}")
        mdm = read_profile(self.download().content)["PayloadContent"][-1]
        self.assertTrue(mdm["ServerURL"].startswith("https://mdm.example.com:8443/"))
