"""Scripts as the services see them; most is tested through the API (`tests/api/v1/test_scripts_write.py`)."""

from devices.services.errors import NotPossible
from devices.services.scripts import MAX_BYTES, create_script, read_content, update_script
from mdm.accounts.actors import SYSTEM
from mdm.events.models import Event
from tests.base import AccountTestCase


class ScriptsTest(AccountTestCase):
    def test_content_up_to_the_limit_is_taken_as_it_is(self):
        for text in ("#!/bin/sh", "#! /usr/bin/env python3\r\nprint('ü')\r\n", "#!/bin/sh\n".ljust(MAX_BYTES, "#")):
            self.assertEqual(read_content(text.encode()), text)

    def test_a_byte_order_mark_is_no_shebang(self):
        with self.assertRaisesMessage(NotPossible, "must begin with a shebang"):
            read_content(b"\xef\xbb\xbf#!/bin/sh\n")

    def test_the_log_holds_no_content(self):
        script = create_script(self.account, name="Secrets", content=b"#!/bin/sh\nPASSWORD=x", actor=SYSTEM)
        update_script(script, content=b"#!/bin/sh\nPASSWORD=y", actor=SYSTEM)
        for event in Event.objects.for_account(self.account):
            self.assertNotIn("PASSWORD", str(event.metadata))
