import base64
import json
import plistlib
from datetime import timedelta

from django.utils import timezone

from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.states import State
from tests.base import AccountTestCase, ApiClient
from tests.factories import make_channel, make_command, make_device

URL = "/v1/commands"
PLIST = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>Command</key><dict><key>RequestType</key><string>RestartDevice</string></dict>
<key>CommandUUID</key><string>raw-1</string>
</dict></plist>"""


class RawTestCase(AccountTestCase):
    def setUp(self):
        super().setUp()
        self.device = make_device(self.account, platform="macOS")
        self.raw = ApiClient(self.key, user="micromdm")

    def send(self, body: object = None, *, client: ApiClient | None = None, content_type: str = "", **more):
        given = {"udid": self.device.udid, "request_type": "DeviceInformation"} | more if body is None else body
        raw = given if isinstance(given, bytes) else json.dumps(given).encode()
        return (client or self.raw).request("POST", URL, raw, content_type or "application/x-www-form-urlencoded")

    def refused(self, response, status: int, *words: str) -> None:
        self.assertEqual(response.status_code, status, response.content)
        for word in words:
            self.assertIn(word, response.json()["error"])
        self.assertEqual(Command.objects.count(), 0)


class SendCommandTest(RawTestCase):
    def test_it_queues_the_command_and_answers_in_both_spellings(self):
        response = self.send(request_type="RestartDevice", notify_user=True)
        self.assertEqual(response.status_code, 201, response.content)
        command = Command.objects.get()
        self.assertEqual((command.request_type, command.parameters), ("RestartDevice", {"NotifyUser": True}))
        self.assertEqual(command.channel, self.device.device_channel)
        self.assertEqual(
            response.json()["payload"],
            {
                "command_uuid": command.command_uuid,
                "CommandUUID": command.command_uuid,
                "command": {"request_type": "RestartDevice", "notify_user": True},
                "Command": {"request_type": "RestartDevice", "RequestType": "RestartDevice", "NotifyUser": True},
            },
        )

    def test_the_content_type_does_not_matter(self):
        for content_type in (
            "text/plain; charset=utf-8",
            "application/json",
            "application/octet-stream",
            "multipart/x",
        ):
            self.assertEqual(self.send(content_type=content_type).status_code, 201, content_type)
        self.assertEqual(self.raw.request("POST", f"{URL}/", json.dumps(self.body()).encode()).status_code, 201)

    def body(self) -> dict:
        return {"udid": self.device.udid, "request_type": "ProfileList"}

    def test_what_scripts_leave_out_is_filled_in(self):
        self.send()
        self.assertIn("SerialNumber", Command.objects.get().parameters["Queries"])

    def test_nested_parameters(self):
        response = self.send(request_type="Settings", settings=[{"item": "DeviceName", "device_name": "foo-bar-baz"}])
        self.assertEqual(response.status_code, 201, response.content)
        self.assertEqual(
            Command.objects.get().parameters, {"Settings": [{"Item": "DeviceName", "DeviceName": "foo-bar-baz"}]}
        )
        self.assertEqual(
            response.json()["payload"]["command"]["settings"], [{"item": "DeviceName", "device_name": "foo-bar-baz"}]
        )

    def test_a_known_misspelling(self):
        response = self.send(request_type="InstalledApplicationList", managed_appd_only=True)
        self.assertEqual(response.status_code, 201, response.content)
        self.assertEqual(Command.objects.get().parameters, {"ManagedAppsOnly": True})

    def test_a_secret_is_kept_apart(self):
        self.send(request_type="EraseDevice", pin="123456")
        command = Command.objects.get()
        self.assertNotIn("123456", json.dumps(command.parameters))
        self.assertIn("123456", json.dumps(command.secrets))

    def test_an_enrollment_id_does_as_well(self):
        device = make_device(self.account, udid="", enrollment_id="E-1", is_user_enrollment=True)
        self.assertEqual(self.send(udid="E-1", request_type="ProfileList").status_code, 201)
        self.assertEqual(Command.objects.get().channel, device.device_channel)

    def test_the_uuid_of_the_caller_is_kept_and_cannot_be_used_twice(self):
        response = self.send(command_uuid="mine-1")
        self.assertEqual(response.json()["payload"]["command_uuid"], "mine-1")
        again = self.send(command_uuid="mine-1")
        self.assertEqual(again.status_code, 409)
        self.assertIn("mine-1", again.json()["error"])
        self.assertEqual(Command.objects.count(), 1)

    def test_it_wakes_the_device(self):
        self.send()
        self.assertIsNotNone(Channel.objects.get().push_due_at)

    def test_bad_json(self):
        for body in (b"", b"{", b"[]", b"null", b'{"udid": "a", "udid": "b"}', b"\xff", b"[" * 100_000):
            self.refused(self.send(body), 400)

    def test_what_is_missing_is_named(self):
        self.refused(self.send({"request_type": "ProfileList"}), 400, "udid")
        self.refused(self.send({"udid": self.device.udid}), 400, "request_type")
        self.refused(self.send({"udid": 7, "request_type": "ProfileList"}), 400, "udid")
        self.refused(self.send(command_uuid=["x"]), 400, "command_uuid")
        self.refused(self.send(command_uuid="x" * 65), 400, "command_uuid")

    def test_unknown_request_types_are_refused_with_the_nearest(self):
        self.refused(self.send(request_type="DeviceInformatoin"), 422, "DeviceInformation")

    def test_wrong_parameters_are_refused_by_name(self):
        self.refused(self.send(request_type="RestartDevice", notify="yes"), 422, "notify")
        self.refused(self.send(request_type="RestartDevice", notify_user="yes"), 422, "NotifyUser")
        self.refused(self.send(request_type="InstallProfile"), 422, "Payload")

    def test_what_the_device_cannot_do_is_refused(self):
        self.refused(self.send(request_type="EnableLostMode", message="Lost"), 422, "EnableLostMode")

    def test_unknown_devices(self):
        self.refused(self.send(udid="nobody"), 404)

    def test_devices_of_another_account(self):
        self.refused(self.send(udid=make_device(self.other_account).udid), 404)

    def test_a_device_that_left(self):
        Channel.objects.update(state="closed")
        self.refused(self.send(), 422, "not enrolled")

    def test_a_read_only_key(self):
        self.refused(self.send(client=ApiClient(self.read_only_key, user="micromdm")), 403, "read-only")

    def test_no_key(self):
        self.refused(self.send(client=ApiClient("wrong", user="micromdm")), 401)


class QueueTest(RawTestCase):
    def queue(self, client: ApiClient | None = None) -> list[dict]:
        response = (client or self.raw).get(f"{URL}/{self.device.udid}")
        self.assertEqual(response.status_code, 200, response.content)
        return response.json()["commands"]

    def test_it_shows_what_waits_as_it_will_be_delivered(self):
        first = make_command(self.device, "RestartDevice", parameters={"NotifyUser": True})
        make_command(self.device, "ProfileList", state=State.ACKNOWLEDGED)
        second = make_command(self.device, "DeviceLock", secrets={"/PIN": "123456"}, state=State.SENT)
        make_command(make_channel(self.device, user_key="501"), "ProfileList")
        queue = self.queue()
        self.assertEqual([entry["uuid"] for entry in queue], [first.command_uuid, second.command_uuid])
        plists = [plistlib.loads(base64.b64decode(entry["payload"])) for entry in queue]
        self.assertEqual(
            plists,
            [
                {
                    "CommandUUID": first.command_uuid,
                    "Command": {"RequestType": "RestartDevice", "NotifyUser": True},
                },
                {"CommandUUID": second.command_uuid, "Command": {"RequestType": "DeviceLock", "PIN": "123456"}},
            ],
        )

    def test_a_read_only_key_sees_no_secrets(self):
        make_command(self.device, "DeviceLock", secrets={"/PIN": "123456"})
        self.raw.request("POST", f"{URL}/{self.device.udid}", PLIST)
        reader = ApiClient(self.read_only_key)
        plists = [plistlib.loads(base64.b64decode(entry["payload"])) for entry in self.queue(reader)]
        self.assertEqual(
            [entry["Command"] for entry in plists], [{"RequestType": "DeviceLock"}, {"RequestType": "RestartDevice"}]
        )

    def test_a_command_that_is_completed_at_delivery(self):
        make_command(self.device, "InstallProfile", parameters={"Recipe": "enrollment_profile"})
        plist = plistlib.loads(base64.b64decode(self.queue()[0]["payload"]))
        self.assertEqual(plist["Command"], {"RequestType": "InstallProfile"})

    def test_clearing_cancels_what_was_not_sent_yet(self):
        waiting = make_command(self.device)
        sent = make_command(self.device, state=State.SENT)
        response = self.raw.delete(f"{URL}/{self.device.udid}")
        self.assertEqual((response.status_code, response.json()), (200, {}))
        waiting.refresh_from_db()
        sent.refresh_from_db()
        self.assertEqual((waiting.state, sent.state), (State.CANCELLED, State.SENT))
        self.assertEqual(self.raw.delete(f"{URL}/{self.device.udid}").status_code, 200)


class RawPlistTest(RawTestCase):
    def post(self, body: bytes, *, method: str = "POST", client: ApiClient | None = None):
        return (client or self.raw).request(method, f"{URL}/{self.device.udid}", body, "text/xml")

    def test_it_is_queued_as_it_is(self):
        response = self.post(PLIST)
        self.assertEqual(response.status_code, 201, response.content)
        payload = response.json()["payload"]
        self.assertEqual(payload["udid"], self.device.udid)
        self.assertEqual(payload["command_uuid"], "raw-1")
        self.assertEqual(payload["command"], {"request_type": "RestartDevice"})
        expected = {"CommandUUID": "raw-1", "Command": {"RequestType": "RestartDevice"}}
        self.assertEqual(plistlib.loads(base64.b64decode(payload["payload"])), expected)
        self.assertEqual(Command.objects.get().request_type, "RestartDevice")

    def test_put_does_the_same(self):
        self.assertEqual(self.post(PLIST, method="PUT").status_code, 201)

    def test_line_ends_may_have_been_lost(self):
        self.assertEqual(self.post(PLIST.replace(b"\n", b"")).status_code, 201)

    def test_what_is_no_command_is_refused(self):
        bomb = b'<!DOCTYPE plist [<!ENTITY a "b">]><plist version="1.0"><dict/></plist>'
        for body in (b"", b"nothing", b"<plist version='1.0'><dict/></plist>", bomb):
            self.refused(self.post(body), 422)

    def test_a_uuid_used_twice(self):
        self.post(PLIST)
        self.assertEqual(self.post(PLIST).status_code, 409)

    def test_too_much(self):
        response = self.post(b"x" * (10 * 1024 * 1024 + 1))
        self.refused(response, 413)


class PushTest(RawTestCase):
    def test_it_marks_the_device_to_be_woken(self):
        response = self.raw.get(f"/push/{self.device.udid}")
        self.assertEqual((response.status_code, response.json()), (200, {"status": "success"}))
        self.assertLessEqual(Channel.objects.get().push_due_at, timezone.now() + timedelta(seconds=1))

    def test_a_dead_token_is_said(self):
        Channel.objects.update(push_token_dead_at=timezone.now())
        self.assertEqual(self.raw.get(f"/push/{self.device.udid}").status_code, 422)

    def test_a_read_only_key_may_not(self):
        self.assertEqual(self.read_only_api.get(f"/push/{self.device.udid}").status_code, 403)

    def test_unknown_devices(self):
        self.assertEqual(self.raw.get("/push/nobody").status_code, 404)
