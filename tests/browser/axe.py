"""Is a page accessible? axe-core says so, read from the disk and run in the page: nothing is asked of any other host."""

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from unittest import SkipTest

from playwright.sync_api import Page

SCRIPT = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
STANDARDS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice")
GRAVE = ("serious", "critical")
RUN = """async options => {
    const found = await axe.run(document, options);
    return found.violations.flatMap(({ id, impact, help, nodes }) => nodes.map(node => ({
        rule: id,
        impact: impact || "minor",
        where: node.target.flat().join(" "),
        why: [...node.any, ...node.all, ...node.none].map(check => check.message).join("; ") || help,
    })));
}"""


@dataclass(frozen=True)
class Finding:
    """rule: axe's name for it. where: a CSS selector. why: axe's reason."""

    rule: str
    impact: str
    where: str
    why: str

    @property
    def is_grave(self) -> bool:
        return self.impact in GRAVE

    def __str__(self) -> str:
        return f"{self.rule}, {self.impact}: {self.where}: {self.why}"


@lru_cache(maxsize=1)
def source() -> str:
    """The script itself. Only a machine that is not CI may do without."""
    if not SCRIPT.exists() and not os.environ.get("CI"):
        raise SkipTest("axe-core is not installed: `make setup-dev` does so where npm is")
    return SCRIPT.read_text()


def findings(page: Page, *, rules: tuple[str, ...] = ()) -> list[Finding]:
    """What axe has to say about the page as it is now, by all standards or by some rules only, e.g. `color-contrast`."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(source())
    only = {"type": "rule", "values": rules} if rules else {"type": "tag", "values": STANDARDS}
    found: list[dict[str, str]] = page.evaluate(RUN, {"runOnly": only, "resultTypes": ["violations"]})
    return [Finding(**one) for one in found]
