"""What tests of the pages about apps start from."""

from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps_catalog.models import App
from mdm.accounts.models import Role
from tests.admin.base import AdminTestCase
from tests.factories.packages import build_ipa


class AppPagesTestCase(AdminTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.list_url = self.url(App, "changelist")
        self.add_url = self.url(App, "add")
        self.upload_url = self.url(App, "upload")
        self.client = self.people[Role.OPERATOR]

    def ipa(self, **values: object) -> SimpleUploadedFile:
        return SimpleUploadedFile("SurfReport.ipa", build_ipa(**values))

    def statements(self, url: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            self.assertEqual(self.client.get(url).status_code, 200, url)
        return len(captured)
