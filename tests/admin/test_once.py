"""What is shown once, as the answer to a form: a page that is reloaded sends the form again."""

import re
from unittest.mock import patch

from django.http import HttpResponse

from mdm.accounts.models import ApiKey, Role
from mdm.accounts.services import find_api_key
from mdm.events.models import Webhook
from tests.admin.base import AdminTestCase
from tests.factories import make_webhook

WORDS = "It was made already. What was shown once cannot be shown again."


class OnceTest(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.admin = self.people[Role.ADMIN]
        self.of_hook = {"url": "https://hooks.example.com/a", "format": "native", "standard": ["device.enrolled"]}

    def filled(self, page: str, /, **fields: object) -> dict[str, object]:
        """What a browser sends: with the hidden field of the page as it is now."""
        (token,) = re.findall(r'name="once" value="([^"]+)"', self.admin.get(page).content.decode())
        return {"once": token} | fields

    def again(self, url: str, data: dict[str, object]) -> HttpResponse:
        return self.admin.post(url, data, follow=True)

    def test_reloading_the_page_of_a_new_key_makes_no_second_one(self) -> None:
        url, before = self.url(ApiKey, "add"), ApiKey.objects.count()
        data = self.filled(url, name="Munki", access="read_only")
        secret = self.admin.post(url, data).context["secret"]
        response = self.again(url, data)
        self.assertRedirects(response, self.url(ApiKey, "changelist"))
        self.assertContains(response, WORDS)
        self.assertNotContains(response, secret)
        self.assertEqual(ApiKey.objects.count(), before + 1)
        self.assertIsNotNone(find_api_key(secret))

    def test_reloading_the_page_of_a_new_webhook_makes_no_second_one(self) -> None:
        url = self.url(Webhook, "add")
        data = self.filled(url, **self.of_hook)
        self.assertEqual(self.admin.post(url, data).status_code, 200)
        response = self.again(url, data)
        self.assertRedirects(response, self.url(Webhook, "changelist"))
        self.assertContains(response, WORDS)
        self.assertEqual(Webhook.objects.count(), 1)

    def test_reloading_the_page_of_a_new_secret_leaves_the_one_that_was_shown(self) -> None:
        webhook = make_webhook(self.account)
        url = self.url(Webhook, "rotate", webhook.pk)
        data = self.filled(url)
        secret = self.admin.post(url, data).context["secret"]
        self.assertContains(self.again(url, data), WORDS)
        webhook.refresh_from_db()
        self.assertEqual(webhook.secret, secret)

    def test_a_form_that_made_nothing_may_be_sent_again(self) -> None:
        url = self.url(Webhook, "add")
        data = self.filled(url, **self.of_hook)
        make_webhook(self.account)
        with patch("mdm.events.webhooks.MAX_WEBHOOKS", 1):
            self.assertEqual(self.admin.post(url, data).status_code, 422)
        self.assertEqual(self.admin.post(url, data).status_code, 200)

    def test_two_forms_make_two(self) -> None:
        url = self.url(Webhook, "add")
        for _ in range(2):
            self.assertEqual(self.admin.post(url, self.filled(url, **self.of_hook)).status_code, 200)
        self.assertEqual(Webhook.objects.count(), 2)

    def test_one_persons_form_is_not_anothers(self) -> None:
        url = self.url(Webhook, "add")
        data = self.filled(url, **self.of_hook)
        self.assertEqual(self.admin.post(url, data).status_code, 200)
        self.assertEqual(self.people[Role.OWNER].post(url, data).status_code, 200)
