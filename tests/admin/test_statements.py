"""Pages ask the database the same number of questions however much there is."""

from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from devices.models import Device, DeviceGroup
from enrollment.models import Enrollment, IdentityCertificate
from enrollment.services.ca import issue
from mdm.accounts.models import ApiKey, Membership, Role
from mdm.commands.models import Command
from mdm.common import certs
from mdm.events.models import Event
from tests.admin.base import AdminTestCase
from tests.factories import (
    make_api_key,
    make_command,
    make_device,
    make_enrollment,
    make_event,
    make_group,
    make_installed_app,
    make_user,
)

MOST = 16
MOST_OF_A_DEVICE = 24  # the head asks for a few things of its own, and what is assigned takes ten
MOST_OF_HOME = 36  # it says a little of everything


class StatementsTest(AdminTestCase):
    def statements(self, url: str) -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            self.assertEqual(self.people[Role.OWNER].get(url).status_code, 200, url)
        return len(captured)

    def grow(self, count: int) -> None:
        key = certs.new_rsa_key().public_key()
        for _ in range(count):
            device = make_device(self.account, group=make_group(self.account))
            make_command(device, "SecurityInfo")
            make_enrollment(device=device)
            make_event(device=device)
            make_api_key(self.account)
            make_user(self.account, role=Role.READ_ONLY)
        issue(self.account, key, device=device)

    def test_lists_and_the_home_page(self) -> None:
        models = (Device, DeviceGroup, Command, Event, Enrollment, ApiKey, Membership, IdentityCertificate)
        urls = [reverse("admin:index"), *(self.url(model, "changelist") for model in models)]
        self.grow(2)
        few = {url: self.statements(url) for url in urls}
        self.grow(98)
        for url in urls:
            self.assertEqual(self.statements(url), few[url], url)
            self.assertLessEqual(few[url], MOST_OF_HOME if url == urls[0] else MOST, url)

    def test_every_tab_of_a_device(self) -> None:
        device = make_device(self.account, platform="macOS")
        urls = [
            self.url(Device, "change", device.pk) + f"?tab={tab}"
            for tab in ("overview", "security", "commands", "apps", "profiles", "attributes", "users", "log")
        ]

        def fill(count: int) -> None:
            for _ in range(count):
                make_command(device, "SecurityInfo")
                make_command(device, "DeviceLock", state="failed")
                make_event(device=device)
                make_installed_app(device)

        fill(1)
        self.statements(urls[0])  # the first request of a session notes where it comes from
        few = {url: self.statements(url) for url in urls}
        fill(40)
        for url in urls:
            self.assertEqual(self.statements(url), few[url], url)
            self.assertLessEqual(few[url], MOST_OF_A_DEVICE, url)

    def test_lists_never_load_answers_or_facts(self) -> None:
        device = make_device(self.account)
        make_command(device, "SecurityInfo", result=b"answer")
        for model, columns in ((Command, ("result", "raw_plist", "secrets")), (Device, ("information", "security"))):
            with CaptureQueriesContext(connection) as captured:
                self.people[Role.OWNER].get(self.url(model, "changelist"))
            table = model._meta.db_table
            for column in columns:
                loaded = [query["sql"] for query in captured if f'"{table}"."{column}"' in query["sql"]]
                self.assertEqual(loaded, [], column)
