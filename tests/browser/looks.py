"""Looking at one page: bright and dark, at a desk and on a phone, and what is wrong with it in each."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from playwright.sync_api import Error, Page, Response

from tests.browser.axe import findings
from tests.browser.chromium import DESK, PHONE, Watch

# A colour on its way to another one has no contrast to measure.
AT_REST = """() => {
    const sheet = new CSSStyleSheet();
    sheet.replaceSync("*, *::before, *::after { transition: none !important; animation: none !important; }");
    document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}"""
LINKS = "[...document.querySelectorAll('a[href]:not([download])')].map(link => link.href.baseVal ?? link.href)"
TOO_WIDE = """() => {
    const most = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= most) return [];
    const wide = [...document.body.querySelectorAll("*")].filter(one => one.getBoundingClientRect().right > most + 1);
    const outer = wide.filter(one => !wide.includes(one.parentElement));
    return outer.slice(0, 3).map(one => one.tagName.toLowerCase() + (one.className ? "." + one.className : ""));
}"""


@dataclass(frozen=True)
class Look:
    """rules: only those, where another look has asked all of them."""

    theme: str
    size: dict[str, int]
    rules: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.theme}, {self.size['width']}"


MOST_NAMED = 6
CONTRAST = ("color-contrast",)
# What is there on a phone only, or too small there.
ON_A_PHONE = (*CONTRAST, "button-name", "link-name", "label", "scrollable-region-focusable", "target-size")
LOOKS = (Look("light", DESK), Look("dark", DESK, CONTRAST), Look("dark", PHONE, ON_A_PHONE))


@dataclass
class Report:
    """What is wrong, and where: the frame around all pages would otherwise be told of a hundred times."""

    grave: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    slight: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    visited: list[str] = field(default_factory=list)
    # Many addresses lead to one page, such as the one to sign in on.
    landed: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"{len(self.visited)} pages were looked at."
        for title, found in (("Wrong", self.grave), ("To think about", self.slight)):
            for finding, places in sorted(found.items(), key=lambda pair: -len(pair[1])):
                yield f"{title}: {finding}\n    {', '.join(places[:MOST_NAMED])}" + (
                    f" and {len(places) - MOST_NAMED} more" if len(places) > MOST_NAMED else ""
                )


def look_at(page: Page, watch: Watch, url: str, name: str, report: Report, *, was_linked: bool = False) -> list[str]:
    """Open the page, look at it in every way, note what is wrong under `name`. Returns where its links lead.

    Whoever types an address may be refused, on a page that is as good as all others; a link leads somewhere.
    """
    response = _opened(page, url)
    landed = page.url.partition("?next=")[0]
    if response is None or not _is_a_page(page, response) or landed in report.landed:
        return []
    report.landed.add(landed)
    report.visited.append(name)
    if response.status >= (400 if was_linked else 500):
        report.grave[f"answers {response.status}"].append(name)
        return []
    page.evaluate(AT_REST)
    for look in LOOKS:
        _dress(page, look)
        for finding in findings(page, rules=look.rules):
            kind = report.grave if finding.is_grave else report.slight
            kind[str(finding)].append(f"{name} ({look})")
        if wide := page.evaluate(TOO_WIDE):
            report.grave[f"wider than the screen: {', '.join(wide)}"].append(f"{name} ({look})")
    for fault in watch.taken():
        report.grave[fault].append(name)
    return page.evaluate(LINKS)


def _opened(page: Page, url: str) -> Response | None:
    """None for what the browser saves as a file."""
    try:
        return page.goto(url)
    except Error as error:
        if "Download is starting" in str(error) or "ERR_ABORTED" in str(error):
            return None
        raise


def _is_a_page(page: Page, response: Response) -> bool:
    """And no picture, no text, no part of a page that a script asks for."""
    return "text/html" in response.headers.get("content-type", "") and page.evaluate("document.doctype !== null")


def _dress(page: Page, look: Look) -> None:
    page.set_viewport_size(look.size)
    page.emulate_media(color_scheme=look.theme, reduced_motion="reduce")
    # The admin's frame asks for the scheme as it starts and then goes by its own switch.
    page.evaluate("dark => document.documentElement.classList.toggle('dark', dark)", look.theme == "dark")
