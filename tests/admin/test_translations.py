"""Every text of the admin is marked for translation: in a language that puts brackets around each, nothing stands outside of them
but what the account's rows, Apple's names and numbers say.
"""

import ast
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from unittest import mock

from django.apps import apps
from django.utils import translation

from mdm.accounts.api_scopes import SECTIONS
from mdm.accounts.models import Role
from mdm.events.kinds import KINDS
from mdm.events.models import Event
from mdm.events.outbox import WEBHOOK_EVENTS
from mdm.events.records import record
from mdm.events.words import sentence
from mdm.protocol.request_types import REQUEST_TYPES
from mdm.protocol.request_types.names import label
from mdm.protocol.request_types.schema import Parameter
from tests.admin.base import AdminTestCase, make_rows
from tests.browser.pages import pages_of_the_admin
from tests.test_layers import modules

# Not for reading: code, times (put into words elsewhere), names of symbols.
SILENT_TAGS = {"script", "style", "pre", "code", "time", "svg", "kbd"}
SILENT_CLASSES = {"material-symbols-outlined", "pm-two-data"}
READ_ATTRIBUTES = ("aria-label", "placeholder", "title", "alt")
# Product names, units and the names of identifiers are the same in all languages.
NAMES = {"pomona", "ios", "ipados", "macos", "tvos", "visionos", "watchos", "micromdm", "udid", "kb", "mb", "gb", "tb"}
# What services refuse is said to people and to programs in the same words.
REFUSALS = (
    r"Needs (?:iOS|macOS|tvOS) [\d.]+ or later; this device has [\d.]+\.",
    r"(?:Not|Only) available (?:on|with) [\w ]+\.",
    r"What failed is tried again by itself\.",
    r"https?://\S+",
    r"[0-9A-F]{16}…",  # a number that is cut off, perhaps in the middle of what looks like a word
)
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
WORD = re.compile(r"[A-Za-z][A-Za-z’'-]+")
MARKED = re.compile(r"⟦[^⟦⟧]*⟧")


class Texts(HTMLParser):
    """What a person reads of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._silent: list[bool] = []
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag != "time":  # its title is the exact time
            self.found += [values[name] or "" for name in READ_ATTRIBUTES if name in values]
        if tag not in VOID:
            is_silent = tag in SILENT_TAGS or bool(SILENT_CLASSES & set((values.get("class") or "").split()))
            self._silent.append(is_silent or (bool(self._silent) and self._silent[-1]))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID and self._silent:
            self._silent.pop()

    def handle_data(self, data: str) -> None:
        """A bracket may open in one piece of text and close in another, with something bold between them."""
        outside = ""
        for letter in data:
            self._depth += {"⟦": 1, "⟧": -1}.get(letter, 0)
            outside += letter if self._depth == 0 and letter != "⟧" else " "
        if not (self._silent and self._silent[-1]):
            self.found.append(outside)


def unmarked(html: str) -> Iterator[str]:
    """Texts with words outside of all brackets."""
    reader = Texts()
    reader.feed(html)
    for text in reader.found:
        rest = text
        while rest != (rest := MARKED.sub(" ", rest)):
            pass
        if WORD.search(rest):
            yield " ".join(rest.split())


def test_words_outside_of_brackets_are_found() -> None:
    html = '<h1>⟦A title⟧</h1><p title="Said on hovering">⟦Marked <b>⟦twice⟧</b>⟧, not marked</p><code>ls -l</code><td>12</td>'
    assert list(unmarked(html)) == ["Said on hovering", ", not marked"]


def test_no_text_is_marked_where_the_collector_does_not_look() -> None:
    """gettext finds no text within an f-string, and none that is put together while the program runs."""
    faults = [
        f"{module}:{call.lineno}"
        for module, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.JoinedStr | ast.Call)
        for call in _marks_that_are_lost(node)
    ]
    assert faults == []


def _marks_that_are_lost(node: ast.AST) -> Iterator[ast.Call]:
    if isinstance(node, ast.JoinedStr):
        yield from (one for one in ast.walk(node) if _is_mark(one) and isinstance(one.args[0], ast.Constant))
    elif _is_mark(node) and isinstance(node.args[0], ast.JoinedStr | ast.BinOp):
        yield node


def _is_mark(node: ast.AST) -> bool:
    marks = ("_", "gettext", "gettext_lazy", "gettext_noop", "ngettext", "ngettext_lazy")
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in marks and bool(node.args)


class TranslationTest(AdminTestCase):
    def test_every_text_of_every_page_is_marked(self) -> None:
        rows = make_rows(self.account)
        known = self.words_of_data() | NAMES
        names = _names()
        faults: dict[str, list[str]] = {}
        with self.brackets():
            for path in pages_of_the_admin(rows, Role.OWNER):
                response = self.people[Role.OWNER].get(path)
                if response.streaming:
                    list(response)  # to its end, which closes the file
                elif response.status_code == 200 and response["Content-Type"].startswith("text/html"):
                    for text in unmarked(response.content.decode()):
                        rest = text if set(WORD.findall(text.lower())) - known else ""
                        if set(WORD.findall(names.sub(" ", rest).lower())) - known:
                            faults.setdefault(text, []).append(path)
        self.maxDiff = None
        said = [f"{text[:100]!r} at {paths[0]} and {len(paths) - 1} more" for text, paths in sorted(faults.items())]
        self.assertEqual(said, [])

    def test_the_log_is_translated_for_people_and_stays_english_for_programs(self) -> None:
        event = make_rows(self.account).rows[Event]
        with self.brackets():
            said, recorded = sentence(event), record(event)
        self.assertEqual(said, f"⟦{recorded['message']}⟧")
        self.assertEqual(recorded["message"], KINDS[event.event_type])
        self.assertEqual(recorded["level"], "info")

    def brackets(self) -> mock._patch:
        """A language of its own for this test."""
        own = translation._trans
        own.gettext, own.ngettext, own.pgettext  # noqa: B018 they are looked up once, and kept
        plain, plural, context = own.gettext, own.ngettext, own.pgettext
        return mock.patch.multiple(
            own,
            gettext=lambda text: f"⟦{plain(text)}⟧" if text else text,
            ngettext=lambda one, many, number: f"⟦{plural(one, many, number)}⟧",
            pgettext=lambda about, text: f"⟦{context(about, text)}⟧",
        )

    def words_of_data(self) -> set[str]:
        """Words that stand in some row, whatever its account."""
        found: set[str] = set()
        for model in apps.get_models():
            if hasattr(model.objects, "for_account") or model._meta.app_label.startswith("mdm_"):
                for values in model.objects.values_list(*_texts_of(model)):
                    found |= {word for value in values for word in WORD.findall(str(value).lower())}
        return found


def _names() -> re.Pattern[str]:
    """Names of commands and their keys, which are Apple's, and of events and sections of the API, which stand beside their
    words. Only whole names are let through, the longest first.
    """
    texts = set(REQUEST_TYPES) | {text for one in REQUEST_TYPES.values() for text in _names_of_keys(one.parameters)}
    texts |= {*SECTIONS, *KINDS, *WEBHOOK_EVENTS}
    said = [rf"(?<![\w.]){re.escape(text)}(?!\w)" for text in sorted(texts - {""}, key=len, reverse=True)]
    return re.compile("|".join((*REFUSALS, *said)))


def _names_of_keys(parameters: Iterable[Parameter]) -> Iterator[str]:
    for one in parameters:
        yield from (label(one.key), *map(str, one.choices))
        yield from _names_of_keys(one.children)


def _texts_of(model: type) -> list[str]:
    kinds = ("CharField", "TextField", "EmailField", "JSONField", "URLField")
    return [one.name for one in model._meta.concrete_fields if one.get_internal_type() in kinds] or ["pk"]
