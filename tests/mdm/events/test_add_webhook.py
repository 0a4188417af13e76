import json
from io import StringIO

from django.core.management import CommandError, call_command

from mdm.events.models import Event, Webhook
from tests.base import AccountTestCase

HOOK = "https://hooks.example.com/x"


class AddWebhookTest(AccountTestCase):
    def run_command(self, *arguments: str) -> dict:
        out = StringIO()
        call_command("add_webhook", "--account", str(self.account.pk), *arguments, stdout=out)
        return json.loads(out.getvalue())

    def test_it_prints_id_and_secret(self):
        answer = self.run_command(HOOK)
        webhook = Webhook.objects.get()
        self.assertEqual(answer, {"webhook_id": webhook.pk, "secret": webhook.secret})
        self.assertEqual((webhook.account, webhook.url, webhook.events), (self.account, HOOK, []))
        event = Event.objects.get(event_type="webhook.created")
        self.assertEqual((event.source, event.metadata["webhook_id"]), ("system", webhook.pk))
        self.assertNotIn(answer["secret"], str(event.metadata))

    def test_events_in_every_form(self):
        for given in (
            ["--event", "device.enrolled", "--event", "test_event"],
            ["--event", "device.enrolled", "test_event"],
            ["--event", "device.enrolled,test_event"],
        ):
            webhook = Webhook.objects.get(pk=self.run_command(HOOK, *given, "--format", "native")["webhook_id"])
            self.assertEqual(webhook.events, ["device.enrolled", "test_event"])

    def test_own_events_and_the_format_of_micromdm(self):
        answer = self.run_command(HOOK, "--event", "command.finished", "account.compliance")
        self.assertEqual(
            Webhook.objects.get(pk=answer["webhook_id"]).events, ["command.finished", "account.compliance"]
        )
        answer = self.run_command(HOOK, "--format", "micromdm")
        self.assertEqual(Webhook.objects.get(pk=answer["webhook_id"]).format, "micromdm")

    def test_refusals_are_sentences(self):
        for arguments, words in (
            ([HOOK, "--event", "nothing"], "no event 'nothing'"),
            ([HOOK, "--event", "command.finished", "mdm.Connect"], "no event 'mdm.Connect'; there are device.enrolled"),
            ([HOOK, "--format", "xml"], "invalid choice"),
            ([HOOK, "--name", "x" * 300], "too long"),
            (["http://10.0.0.1/"], "private network"),
            ([], "required: URL"),
        ):
            with self.assertRaisesRegex(CommandError, words):
                self.run_command(*arguments)
        with self.assertRaisesRegex(CommandError, "no account with the id 999"):
            call_command("add_webhook", "--account", "999", HOOK)
        self.assertFalse(Webhook.objects.exists())
