"""Totals, devices by state, and previews."""

from datetime import timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from devices.models import Device, ItemState, Profile, ProfileInstall
from mdm.accounts.models import ApiKey
from mdm.events.models import Event
from tests.base import AccountTestCase, ApiClient
from tests.factories import (
    make_api_key,
    make_attribute,
    make_attribute_value,
    make_channel,
    make_device,
    make_group,
    make_mobileconfig,
    make_payload,
    make_profile,
    make_profile_assignment,
    make_signed,
)

STATES = [state.value for state in ItemState]


def install(profile: Profile, device: Device, state: str, **fields: object) -> ProfileInstall:
    values = {"version": profile.version, "state": state, **fields}
    return ProfileInstall.objects.create(account=profile.account, profile=profile, device=device, **values)


class StatusTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.sales = make_group(self.account, "Sales")
        self.profile = make_profile(self.account, "Office", user_scope=False)
        make_profile_assignment(self.profile, self.sales)
        self.url = f"/api/v1/profiles/{self.profile.pk}"

    def device(self, **fields: object) -> Device:
        return make_device(self.account, group=self.sales, **fields)


class TotalsTest(StatusTestCase):
    def test_every_state_is_counted(self):
        install(self.profile, self.device(), "installed")
        install(self.profile, self.device(), "failed")
        install(self.profile, make_device(self.account), "removing")
        self.device()
        make_device(self.account, group=self.sales, enrolled=False)
        response = self.read_only_api.get(f"{self.url}/totals")
        expected = dict.fromkeys(STATES, 0) | {"installed": 1, "failed": 1, "removing": 1, "pending": 1}
        self.assertEqual(
            response.json()["data"],
            {
                "type": "profile_totals",
                "id": self.profile.pk,
                "attributes": {"name": "Office", **expected},
                "relationships": {"profile": {"data": {"type": "profile", "id": self.profile.pk}}},
            },
        )

    def test_strangers_and_deleted_profiles(self):
        self.assertEqual(self.outsider_api.get(f"{self.url}/totals").status_code, 404)
        self.api.delete(f"/api/v1/custom_configuration_profiles/{self.profile.pk}")
        self.assertEqual(self.api.get(f"{self.url}/totals").status_code, 404)


class DevicesTest(StatusTestCase):
    def listed(self, query: str = "") -> list[dict]:
        return self.read_only_api.get(f"{self.url}/devices{query}").json()["data"]

    def test_one_entry_says_all(self):
        device = self.device(name="Reception")
        retry_at = timezone.now() + timedelta(hours=1)
        facts = {"installed_version": 1, "error": "The profile is damaged", "attempts": 2, "retry_at": retry_at}
        row = install(self.profile, device, "failed", **facts)
        [entry] = self.listed("?state=failed")
        self.assertEqual((entry["type"], entry["id"]), ("profile_status", device.pk))
        self.assertEqual(entry["relationships"], {"device": {"data": {"type": "device", "id": device.pk}}})
        attributes = entry["attributes"]
        self.assertTrue(attributes.pop("retry_at").startswith(retry_at.isoformat()[:19]))
        self.assertTrue(attributes.pop("updated_at").startswith(row.updated_at.isoformat()[:19]))
        self.assertEqual(
            attributes,
            {
                "name": "Reception",
                "user": None,
                "state": "failed",
                "version": "1",
                "installed_version": "1",
                "error": "The profile is damaged",
                "attempts": 2,
                "stopped": False,
            },
        )

    def test_the_entries_of_a_state_are_as_many_as_its_total(self):
        for state in ("installed", "installed", "failed", "pending", "not_applicable", "pushed"):
            install(self.profile, self.device(), state)
        install(self.profile, make_device(self.account), "removing")
        self.device()
        self.device(enrolled=False)
        totals = self.api.get(f"{self.url}/totals").json()["data"]["attributes"]
        for state in STATES:
            found = [one["attributes"]["state"] for one in self.listed(f"?state={state}&limit=100")]
            self.assertEqual(found, [state] * totals[state])
        self.assertEqual(len(self.listed("?limit=100")), sum(totals[state] for state in STATES))

    def test_each_user_of_a_mac_has_an_entry(self):
        self.profile.user_scope = True
        self.profile.save()
        mac = self.device(platform="macOS")
        make_channel(mac, user_key="U1", user_short_name="robin")
        for key, state in (("U1", "installed"), ("U2", "failed")):
            install(self.profile, mac, state, user_key=key)
        waiting = self.device(platform="macOS")
        found = [(one["id"], one["attributes"]["user"], one["attributes"]["state"]) for one in self.listed()]
        self.assertEqual(
            found, [(mac.pk, "robin", "installed"), (mac.pk, "U2", "failed"), (waiting.pk, None, "pending")]
        )
        self.assertIn("none of them can be managed", self.listed("?state=pending")[0]["attributes"]["error"])
        self.assertEqual([one["attributes"]["user"] for one in self.listed("?state=failed")], ["U2"])

    def test_pages(self):
        devices = [self.device() for _ in range(5)]
        for device in devices[::2]:
            install(self.profile, device, "installed")
        first = self.api.get(f"{self.url}/devices?limit=2").json()
        self.assertEqual([one["id"] for one in first["data"]], [devices[0].pk, devices[1].pk])
        self.assertTrue(first["has_more"])
        rest = self.api.get(f"{self.url}/devices?limit=3&starting_after={devices[1].pk}").json()
        self.assertEqual(([one["id"] for one in rest["data"]], rest["has_more"]), ([d.pk for d in devices[2:]], False))

    def test_the_number_of_statements_does_not_grow(self):
        def statements() -> int:
            with CaptureQueriesContext(connection) as captured:
                self.listed("?limit=100")
            return len(captured)

        install(self.profile, self.device(), "installed")
        self.listed()  # notes that the key is in use
        few = statements()
        for _ in range(20):
            install(self.profile, self.device(), "failed")
        self.assertEqual(statements(), few)

    def test_an_unknown_state_is_refused(self):
        self.assertEqual(self.api.get(f"{self.url}/devices?state=lost").status_code, 422)

    def test_strangers_get_404(self):
        self.assertEqual(self.outsider_api.get(f"{self.url}/devices").status_code, 404)


class PreviewTest(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account, serial_number="C02X")
        make_attribute_value(self.device, make_attribute(self.account, "pin", secret=True), "hunter2")
        content = make_mobileconfig("a.b", make_payload(Here="{{serial_number}} {{pin}} {{attic}}"))
        self.profile = make_profile(self.account, identifier="a.b", content=content, attribute_support=True)

    def ask(self, client: ApiClient, query: str = "", profile: Profile | None = None):
        path = f"/api/v1/custom_configuration_profiles/{(profile or self.profile).pk}/preview"
        return client.get(f"{path}?device_id={self.device.pk}{query}")

    def attributes(self, client: ApiClient, query: str = "") -> dict:
        response = self.ask(client, query)
        self.assertEqual(response.status_code, 200, response.content)
        return response.json()["data"]["attributes"]

    def limited(self, **scopes: str) -> ApiClient:
        return ApiClient(make_api_key(self.account, access=ApiKey.Access.LIMITED, scopes=scopes)[1])

    def test_content_and_variables_with_secrets_masked(self):
        data = self.ask(self.api).json()["data"]
        self.assertEqual((data["type"], data["id"]), ("profile_preview", self.device.pk))
        self.assertEqual(data["relationships"]["profile"]["data"], {"type": "profile", "id": self.profile.pk})
        attributes = data["attributes"]
        self.assertIn("<string>C02X ••••• {{attic}}</string>", attributes.pop("content"))
        self.assertEqual(
            attributes,
            {
                "version": 1,
                "form": "xml",
                "variables": [
                    {"name": "attic", "value": "", "secret": False, "source": "unknown"},
                    {"name": "pin", "value": "", "secret": True, "source": "device"},
                    {"name": "serial_number", "value": "C02X", "secret": False, "source": "built_in"},
                ],
                "unknown_variables": ["attic"],
                "unfilled_variables": [],
                "why_not": None,
            },
        )
        self.assertFalse(Event.objects.filter(event_type="secret.viewed").exists())

    def test_secrets_are_shown_when_asked_for_and_that_is_logged(self):
        attributes = self.attributes(self.api, "&include_secret_custom_attributes=true")
        self.assertIn("C02X hunter2 {{attic}}", attributes["content"])
        self.assertEqual(attributes["variables"][1]["value"], "hunter2")
        event = Event.objects.get(event_type="secret.viewed")
        self.assertEqual((event.device, event.api_key), (self.device, self.api_key))
        self.assertEqual(event.metadata["secrets"], {"custom attribute pin": str(self.device.pk)})
        self.assertNotIn("hunter2", str(event.metadata))

    def test_who_may_not_change_devices_is_refused_the_secrets(self):
        for client in (self.read_only_api, self.limited(profiles="write", devices="read")):
            response = self.ask(client, "&include_secret_custom_attributes=true")
            self.assertEqual(response.status_code, 403)
            self.assertNotIn("hunter2", response.content.decode())

    def test_who_only_reads_gets_everything_but_the_content(self):
        for client in (self.read_only_api, self.limited(profiles="read", devices="write")):
            attributes = self.attributes(client)
            self.assertIsNone(attributes["content"])
            self.assertEqual(attributes["unknown_variables"], ["attic"])
        attributes = self.attributes(self.limited(profiles="write", devices="read"))
        self.assertIn("C02X", attributes["content"])

    def test_a_key_that_may_not_read_devices_learns_nothing_of_them(self):
        response = self.ask(self.limited(profiles="write"))
        self.assertEqual(response.status_code, 403)
        self.assertEqual(
            response.json()["errors"],
            [{"title": "This API key may not read devices: it lacks the scope devices:read."}],
        )

    def test_signed_ones_are_shown_decoded(self):
        content = make_signed(make_mobileconfig("a.b", make_payload(Here="{{serial_number}}")))
        profile = make_profile(self.account, identifier="c.d", content=content)
        attributes = self.ask(self.api, profile=profile).json()["data"]["attributes"]
        self.assertEqual(attributes["form"], "signed")
        self.assertTrue(attributes["content"].startswith("<?xml"))
        self.assertIn("{{serial_number}}", attributes["content"])

    def test_a_device_has_to_be_named_and_to_be_ones_own(self):
        path = f"/api/v1/custom_configuration_profiles/{self.profile.pk}/preview"
        self.assertEqual(self.api.get(path).status_code, 422)
        theirs = make_device(self.other_account)
        self.assertEqual(self.api.get(f"{path}?device_id={theirs.pk}").status_code, 404)
        self.assertEqual(self.ask(self.outsider_api).status_code, 404)
