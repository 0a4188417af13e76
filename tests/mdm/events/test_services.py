"""The log: one way in, always an account, never what cannot be stored."""

import re
from pathlib import Path

from mdm.accounts.actors import DEVICE, SYSTEM, Actor, Source
from mdm.events.kinds import KINDS
from mdm.events.models import Event, Level
from mdm.events.services import METADATA_TEXT_LIMIT, build, emit, emit_many
from tests.base import AccountTestCase
from tests.factories import make_device

ROOT = Path(__file__).resolve().parents[3]


class EmitTest(AccountTestCase):
    def emit(self, event_type: str = "device.updated", **options: object) -> Event:
        return Event.objects.get(pk=emit(event_type, account_id=self.account.pk, **options).pk)

    def test_a_line_names_who_what_and_which_device(self) -> None:
        device = make_device(self.account)
        actor = Actor(Source.ADMIN, "owner@example.com", user_id=self.owner.pk)
        event = self.emit(device=device, actor=actor, level=Level.WARNING, name="New name")
        self.assertEqual(
            (event.namespace, event.source, event.actor_label, event.user, event.level),
            ("admin", "admin ui", "owner@example.com", self.owner, Level.WARNING),
        )
        self.assertEqual((event.device, event.serial_number, event.udid), (device, device.serial_number, device.udid))
        self.assertEqual(event.metadata, {"name": "New name"})

    def test_the_namespace_follows_from_who_did_it(self) -> None:
        key = Actor(Source.API, "Munki", api_key_id=self.api_key.pk)
        self.assertEqual(
            [self.emit(actor=actor).namespace for actor in (key, DEVICE, SYSTEM)], ["admin", "device", "system"]
        )
        self.assertEqual(Event.objects.filter(api_key=self.api_key).count(), 1)

    def test_every_line_has_an_id_of_its_own(self) -> None:
        self.assertNotEqual(self.emit().log_id, self.emit().log_id)

    def test_a_name_that_is_not_in_the_list_is_a_fault_of_the_program(self) -> None:
        with self.assertRaises(KeyError):
            self.emit("no.such.thing")
        self.assertFalse(Event.objects.exists())

    def test_the_line_stays_when_the_device_goes(self) -> None:
        device = make_device(self.account, enrolled=False, serial_number="C02")
        event = self.emit(device=device)
        device.delete()
        event.refresh_from_db()
        self.assertEqual((event.device, event.serial_number), (None, "C02"))

    def test_what_devices_say_is_bounded_and_storable(self) -> None:
        event = self.emit(
            long="x" * 10_000,
            nul="a\x00b\ud800",
            nested={"k\x00": ["v" * 3000, {"deep": b"bytes"}]},
            many=list(range(1000)),
            number=1.5,
            nothing=None,
            moment=self.account.created_at,
        )
        metadata = event.metadata
        self.assertEqual(len(metadata["long"]), METADATA_TEXT_LIMIT)
        self.assertEqual(metadata["nul"], "ab?")
        self.assertEqual(list(metadata["nested"]), ["k"])
        self.assertEqual((len(metadata["many"]), metadata["number"], metadata["nothing"]), (50, 1.5, None))
        self.assertEqual(metadata["moment"], str(self.account.created_at))

    def test_many_lines_are_few_statements(self) -> None:
        lines = [build("device.updated", account_id=self.account.pk, metadata={"n": n}) for n in range(40)]
        with self.assertNumQueries(1):
            emit_many(lines)
        self.assertEqual(Event.objects.count(), 40)
        self.assertEqual(emit_many([]), [])

    def test_an_overlong_actor_is_cut(self) -> None:
        self.assertEqual(len(self.emit(actor=Actor(Source.API, "x" * 500)).actor_label), 200)


class KindsTest(AccountTestCase):
    def test_every_name_in_the_code_is_listed(self) -> None:
        pattern = re.compile(r"\b(?:emit|build|log_identity|_emit)\(\s*\"([a-z_]+(?:\.[a-z_]+)+)\"")
        used = {
            name
            for top in ("mdm", "devices", "enrollment", "api", "apps_catalog")
            for path in (ROOT / top).rglob("*.py")
            for name in pattern.findall(path.read_text())
        }
        self.assertGreater(len(used), 20)
        self.assertEqual(used - set(KINDS), set())

    def test_names_and_sentences_have_one_form(self) -> None:
        for name, sentence in KINDS.items():
            self.assertRegex(name, r"^[a-z_]+(\.[a-z_]+)*$")
            self.assertRegex(sentence, r"^[A-Z].*[^.]$")
            self.assertLessEqual(len(name), 80)
