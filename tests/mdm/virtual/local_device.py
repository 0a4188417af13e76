"""Virtual devices that are asked directly, without a server that sends commands."""

import plistlib

from mdm.virtual.answers import compose
from mdm.virtual.device import VirtualDevice
from mdm.virtual.keys import KeyPool

POOL = KeyPool(2)
INTEL = "MacBookPro16,1"
SILICON = "Mac14,2"


class Local(VirtualDevice):
    """Answers without a server in between, through a property list as on the wire."""

    def reply(self, request_type, user=None, **keys):
        command = plistlib.loads(plistlib.dumps({"RequestType": request_type, **keys}))
        self.last_scene = self.scene(user)
        return compose(self.last_scene, command)

    def answer_locally(self, request_type, user=None, **keys):
        reply = self.reply(request_type, user, **keys)
        assert reply.status == "Acknowledged", reply
        return plistlib.loads(plistlib.dumps(reply.response))

    def code(self, request_type, user=None, **keys):
        reply = self.reply(request_type, user, **keys)
        assert reply.status == "Error", reply
        return reply.chain[0]["ErrorCode"]


def make(server, platform="ios", **options):
    device = Local(platform, client=server.client(), key_source=POOL, seed=7, **options)
    device.enroll(server.url)
    return device


def phone(server, **options):
    return make(server, "ios", model="iPhone16,1", **options)


def mac(server, model=SILICON, **options):
    return make(server, "macos", model=model, **options)
