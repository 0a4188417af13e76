"""The key that signs what Macs are told to run."""

import base64
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from django.db import connection

from devices.models import AgentKey
from devices.services import agent_keys
from devices.services.agent_keys import agent_key, sign, signing_key
from tests.base import AccountTestCase

PUBLIC = "PUBLIC KEY"


class AgentKeyTest(AccountTestCase):
    def test_an_account_has_one_made_when_it_is_needed(self):
        self.assertEqual(agent_key(self.account.pk), agent_key(self.account.pk))
        self.assertNotEqual(signing_key(self.account.pk), signing_key(self.other_account.pk))
        self.assertEqual(AgentKey.objects.count(), 2)

    def test_of_two_that_make_the_first_at_once_both_get_the_same(self):
        made = agent_keys._first(self.account.pk)
        self.assertEqual(agent_keys._first(self.account.pk), made)

    def test_the_private_half_is_encrypted(self):
        key = agent_key(self.account.pk)
        with connection.cursor() as cursor:
            cursor.execute("SELECT private_key FROM devices_agentkey")
            [(stored,)] = cursor.fetchall()
        self.assertNotIn(key.private_key, bytes(stored))
        self.assertTrue(AgentKey.objects.get().private_key.startswith(b"\x30"))

    def test_openssl_understands_key_and_signature(self):
        """As the agent asks it to, on the Mac."""
        data, text = b"Pomona-Order: 1\n\n#!/bin/sh\n", signing_key(self.account.pk)
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        with TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "key").write_text("\n".join([f"-----BEGIN {PUBLIC}-----", *lines, f"-----END {PUBLIC}-----", ""]))
            (folder / "signature").write_bytes(base64.b64decode(sign(self.account.pk, data)))
            command = ["openssl", "dgst", "-sha256", "-verify", "key", "-signature", "signature"]
            for given, is_genuine in ((data, True), (data + b"x", False)):
                done = subprocess.run(command, cwd=folder, input=given, capture_output=True, check=False)
                self.assertEqual(done.returncode == 0, is_genuine, done)
