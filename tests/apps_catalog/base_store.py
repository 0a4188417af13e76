"""What tests with an App Store start from: a real server, and a storage of their own."""

from pathlib import Path
from tempfile import TemporaryDirectory

from django.test import TestCase, override_settings

from apps_catalog.store_lookup import StoreApp, look_up, store_client
from tests.fakes.app_store import FakeAppStore


class StoreTestCase(TestCase):
    def setUp(self) -> None:
        super().setUp()
        self.store = self.enterContext(FakeAppStore())
        self.root = Path(self.enterContext(TemporaryDirectory()))
        self.enterContext(override_settings(APP_STORE_URL=self.store.url, MEDIA_ROOT=self.root))

    def ask(self, **question: object) -> StoreApp:
        with store_client() as client:
            return look_up(client, **({"country": "US"} | question))

    def stored(self) -> set[str]:
        """The names of all files in the storage."""
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()}
