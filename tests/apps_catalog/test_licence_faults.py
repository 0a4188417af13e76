"""Whatever goes wrong on the way to Apple and back, in whichever step: in the end everything is as without it."""

from datetime import timedelta
from unittest.mock import patch

from django.utils import timezone

from apps_catalog.models import ContentToken, LicenceAssignment, LicenceRequest
from apps_catalog.services.vpp_work import manage_due
from apps_catalog.vpp_client import VppClient
from devices.models import ItemState
from devices.services.devices import remove_device
from mdm.accounts.actors import SYSTEM
from mdm.common.leases import LEASE
from tests.apps_catalog.base_licences import LicenceTestCase
from tests.factories.wanted import make_store_app
from tests.fakes.vpp import Fault

PATHS = (
    "/service/config",
    "/client/config",
    "/assets",
    "/assignments",
    "/assets/associate",
    "/assets/disassociate",
    "/status",
)
FAULTS = {
    "the server is in trouble": {"status": 500, "number": 9603},
    "busy, and says for how long": {"status": 503, "headers": {"Retry-After": "1"}},
    "too many requests": {"status": 429, "number": 9646},
    "half an answer": {"status": 200, "body": b'{"eventId": "', "is_cut": True},
    "the answer is lost": {"status": 200, "is_cut": True, "is_done": True},
    "nonsense": {"status": 200, "body": b"<html>sign in</html>"},
    "the token is refused": {"status": 401, "number": 9622},
    "it makes no sense to Apple": {"status": 400, "number": 9602},
    "the limits have changed": {"status": 400, "number": 9702},
}


class Died(BaseException):
    """The worker was killed."""


class FaultTest(LicenceTestCase):
    def story(self) -> dict[str, object]:
        """Three devices get the app, one of them leaves: how everything stands at the end."""
        phones = [self.device() for _ in range(3)]
        self.connect()
        while self.token.last_synced_at is None:  # until then, nobody knows what the location owns
            self.sync()
        self.assign(*phones)
        self.work(4)
        remove_device(phones[0], SYSTEM)
        self.work(4)
        self.sync()
        self.work(2)
        kept = {phone.serial_number for phone in phones[1:]}
        return {
            "at Apple": self.vpp.serials(self.app.itunes_store_id) == kept,
            "here": self.licences() == dict.fromkeys(kept, "assigned"),
            "apps": [self.install(phone).state for phone in phones[1:]] == [ItemState.PUSHED] * 2,
            "sent": [self.orders(phone) for phone in phones[1:]] == [1, 1],
            "open": LicenceRequest.objects.count(),
            "error": self.token.error,
            "used": (self.token.assets.get().assigned, self.token.assets.get().available),
        }

    GOOD = {"at Apple": True, "here": True, "apps": True, "sent": True, "open": 0, "error": "", "used": (2, 3)}

    def test_without_any_trouble(self):
        self.assertEqual(self.story(), self.GOOD)


def _add(path: str, name: str) -> None:
    def test(self: FaultTest) -> None:
        for after in (0, 1):
            self.vpp.fail(path, after=after, **FAULTS[name])
        self.assertEqual(self.story(), self.GOOD)

    label = f"test_{path.strip('/').replace('/', '_')}_when_{name.replace(' ', '_').replace(',', '')}"
    setattr(FaultTest, label, test)


for _path in PATHS:
    for _name in FAULTS:
        _add(_path, _name)


class LostTest(LicenceTestCase):
    def setUp(self):
        super().setUp()
        self.connect()
        self.phone = self.device()

    def test_a_worker_that_dies_at_any_request_leaves_nothing_behind(self):
        """Before or after Apple got it."""
        self.assign(self.phone)
        send = VppClient._send
        for number in range(1, 7):
            for is_done in (False, True):
                calls = []

                def die(client, *arguments, calls=calls, number=number, is_done=is_done, **options):
                    calls.append(arguments)
                    if len(calls) == number:
                        if is_done:
                            send(client, *arguments, **options)
                        raise Died
                    return send(client, *arguments, **options)

                ContentToken.objects.update(sync_due_at=timezone.now(), assignments_version="")
                self.make_due()
                with patch.object(VppClient, "_send", die):
                    try:
                        manage_due()
                    except Died:
                        ContentToken.objects.update(started_at=timezone.now() - LEASE - timedelta(seconds=1))
        self.work(4)
        self.assertEqual(self.vpp.serials(self.app.itunes_store_id), {self.phone.serial_number})
        self.assertEqual(self.licences(), {self.phone.serial_number: "assigned"})
        self.assertEqual((self.orders(self.phone), LicenceRequest.objects.count()), (1, 0))

    def test_an_event_that_apple_forgot_is_asked_for_again(self):
        self.vpp.looks = 9
        self.assign(self.phone)
        self.work()
        self.vpp.forget_events()
        self.vpp.looks = 0
        self.work(3)
        self.assertEqual((self.orders(self.phone), self.vpp.count("/assets/associate")), (1, 2))

    def test_an_event_that_never_ends_is_given_up_after_a_day(self):
        self.vpp.looks = 1_000
        self.assign(self.phone)
        self.work(2)
        LicenceRequest.objects.update(created_at=timezone.now() - timedelta(days=2))
        self.vpp.looks = 0
        self.work(3)
        self.assertEqual(self.orders(self.phone), 1)

    def test_pauses_get_longer_and_apples_own_is_kept(self):
        self.vpp.fail("/assets/associate", 503, headers={"Retry-After": "5000"})
        self.assign(self.phone)
        manage_due()
        token = ContentToken.objects.get()
        self.assertGreater(token.paused_until, timezone.now() + timedelta(seconds=4900))
        self.assertIn("in trouble", token.error)
        self.assertEqual(manage_due(), 0)
        self.assertEqual(self.licences(), {self.phone.serial_number: "wanted"})
        self.work(2)
        self.assertEqual((self.token.error, self.token.attempts, self.orders(self.phone)), ("", 0, 1))

    def test_trouble_is_one_line_of_the_log_while_it_lasts(self):
        for _ in range(3):
            self.vpp.fail("/service/config", 500, 9603)
            self.sync()
        self.assertIn("trouble", self.logged("content_token.failed").metadata["why"])

    def test_what_apple_refuses_for_good_says_so_and_is_tried_rarely(self):
        self.vpp.assets[str(self.app.itunes_store_id), "STDQ"]["deviceAssignable"] = False
        self.assign(self.phone)
        self.make_due()
        manage_due()
        row = LicenceAssignment.objects.get()
        self.assertEqual((row.state, row.attempts), ("wanted", 1))
        self.assertIn("people only", row.error)
        self.assertEqual(self.logged("licence.refused").metadata["why"], row.error)
        self.assertEqual(ContentToken.objects.get().error, "")

    def test_one_app_that_is_refused_keeps_no_other_from_its_licence(self):
        other = self.device_app()
        manage, refused = self.vpp._manage, str(other.itunes_store_id)

        def refuse(kind, said):
            is_about_it = any(one["adamId"] == refused for one in said["assets"])
            return Fault(400, 9602) if is_about_it else manage(kind, said)

        self.assign(self.phone)
        self.assign(self.phone, app=other)
        with patch.object(self.vpp, "_manage", refuse):
            self.work(2)
        self.assertEqual(self.licences(), {self.phone.serial_number: "assigned"})
        self.assertEqual(self.orders(self.phone), 1)

    def device_app(self):
        app = make_store_app(self.account)
        self.vpp.buy(app.itunes_store_id, 5)
        self.sync()
        return app
