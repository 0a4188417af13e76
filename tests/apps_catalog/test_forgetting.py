from datetime import timedelta

from django.utils import timezone

from apps_catalog.models import App, AppInstall
from apps_catalog.services.forgetting import forget_deleted
from devices.models import DeviceState, Profile, ProfileInstall, ProfileVersion
from tests.base import AccountTestCase
from tests.factories import make_device
from tests.factories.wanted import make_store_app, make_stored_profile


class ForgetDeletedTest(AccountTestCase):
    def test_what_was_deleted_and_is_on_no_device_goes(self):
        long_ago, now = timezone.now() - timedelta(days=2), timezone.now()
        kept = [
            make_stored_profile(self.account),
            make_stored_profile(self.account, removed_at=now),
            make_stored_profile(self.account, removed_at=long_ago),
        ]
        ProfileInstall.objects.create(
            account=self.account, profile=kept[2], device=make_device(self.account), version=1, installed_version=1
        )
        make_stored_profile(self.account, removed_at=long_ago)
        app = make_store_app(self.account)
        make_store_app(self.account, removed_at=long_ago)
        self.assertEqual(forget_deleted(), 2)
        self.assertEqual(set(Profile.objects.all()), set(kept))
        self.assertEqual(ProfileVersion.objects.count(), 3)
        self.assertEqual(App.objects.get(), app)
        self.assertEqual(forget_deleted(), 0)

    def test_devices_that_left_keep_nothing(self):
        """They have nothing of ours any more, and a device that comes back begins anew."""
        long_ago = timezone.now() - timedelta(days=2)
        profile, app = (make(self.account, removed_at=long_ago) for make in (make_stored_profile, make_store_app))
        left = make_device(self.account, state=DeviceState.UNENROLLED)
        removed = make_device(self.account, removed_at=long_ago)
        for device in (left, removed):
            ProfileInstall.objects.create(account=self.account, profile=profile, device=device, version=1)
            AppInstall.objects.create(account=self.account, app=app, device=device, is_on_device=True)
        self.assertEqual(forget_deleted(), 2)
        self.assertFalse(ProfileVersion.objects.exists())
