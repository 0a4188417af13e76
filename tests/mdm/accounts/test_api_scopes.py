import json
from io import StringIO

from django.core.management import CommandError, call_command

from mdm.accounts.api_scopes import READ, SECTIONS, WRITE, may_use
from mdm.accounts.models import ApiKey
from mdm.accounts.services import BadScopes, create_api_key, find_api_key
from mdm.events.models import Event
from tests.base import AccountTestCase

Access = ApiKey.Access


class MayUseTest(AccountTestCase):
    def test_every_kind_of_key(self):
        limited = ApiKey(access=Access.LIMITED, scopes={"devices": WRITE, "logs": READ})
        for key, section, read, write in (
            (ApiKey(access=Access.READ_WRITE), "devices", True, True),
            (ApiKey(access=Access.READ_ONLY), "devices", True, False),
            (limited, "devices", True, True),
            (limited, "logs", True, False),
            (limited, "webhooks", False, False),
            (ApiKey(access=Access.LIMITED), "devices", False, False),
            (ApiKey(access="of a later version"), "devices", True, False),
        ):
            found = (may_use(key, section, changes=False), may_use(key, section, changes=True))
            self.assertEqual(found, (read, write), (key.access, section))

    def test_a_scope_that_is_neither_opens_nothing(self):
        key = ApiKey(access=Access.LIMITED, scopes={"devices": "everything"})
        self.assertFalse(may_use(key, "devices", changes=False) or may_use(key, "devices", changes=True))

    def test_sections_have_names_and_words(self):
        for name, words in SECTIONS.items():
            self.assertRegex(name, r"^[a-z_]+$")
            self.assertRegex(str(words), r"^[A-Z]")


class CreateTest(AccountTestCase):
    def test_a_limited_key(self):
        key, secret = create_api_key(self.account, name="k", access=Access.LIMITED, scopes={"devices": READ})
        self.assertEqual(find_api_key(secret).scopes, {"devices": READ})
        self.assertEqual(key.access, Access.LIMITED)

    def test_scopes_that_make_no_sense(self):
        before = ApiKey.objects.count()
        for access, scopes, words in (
            (Access.LIMITED, {}, "at least one section"),
            (Access.LIMITED, None, "at least one section"),
            (Access.LIMITED, {"printers": READ}, "no section 'printers'"),
            (Access.LIMITED, {"devices": "admin"}, "devices: a key may read or write, not 'admin'"),
            (Access.READ_ONLY, {"devices": READ}, "Only a limited key"),
            (Access.READ_WRITE, {"devices": READ}, "Only a limited key"),
        ):
            with self.assertRaisesRegex(BadScopes, words):
                create_api_key(self.account, name="k", access=access, scopes=scopes)
        self.assertEqual(ApiKey.objects.count(), before)


class CommandTest(AccountTestCase):
    def run_command(self, *arguments: str) -> ApiKey:
        out = StringIO()
        call_command("create_api_key", "--account", str(self.account.pk), "--name", "Munki", *arguments, stdout=out)
        return find_api_key(json.loads(out.getvalue())["api_key"])

    def test_scopes_make_a_limited_key(self):
        key = self.run_command("--scope", "devices:write", "--scope", "logs:read")
        self.assertEqual((key.access, key.scopes), (Access.LIMITED, {"devices": "write", "logs": "read"}))
        metadata = Event.objects.get(event_type="api_key.created").metadata
        self.assertEqual((metadata["access"], metadata["scopes"]), ("limited", {"devices": "write", "logs": "read"}))

    def test_without_scopes_it_is_full_or_read_only(self):
        self.assertEqual(self.run_command().access, Access.READ_WRITE)
        self.assertEqual(self.run_command("--read-only").access, Access.READ_ONLY)

    def test_refusals_are_sentences(self):
        before = ApiKey.objects.count()
        for arguments, words in (
            (["--scope", "printers:read"], "no section 'printers'"),
            (["--scope", "devices"], "devices: a key may read or write, not ''"),
            (["--scope", "devices:all"], "devices: a key may read or write, not 'all'"),
            (["--scope", "devices:read", "--read-only"], "not allowed with"),
        ):
            with self.assertRaisesRegex(CommandError, words):
                self.run_command(*arguments)
        self.assertEqual(ApiKey.objects.count(), before)
