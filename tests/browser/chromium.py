"""The browser, and one watch over every page: nobody else is asked, and no script fails."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import SkipTest

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
WAIT_MS = 15_000
LOAD_MS = 60_000  # a machine that runs other tests beside may be slow; what is slow by itself is measured elsewhere
DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
LOCAL = ("data:", "blob:", "about:")


def executable() -> str:
    """Where the browser is. Only a machine that is not CI may do without."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None and not os.environ.get("CI"):
        raise SkipTest("chromium is not installed")
    return path or "/usr/bin/chromium"


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Playwright runs an event loop in this thread; the ORM is only used between its calls, never within it."""
    path = executable()
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
            yield browser
            browser.close()
    finally:
        if before is None:
            os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE", None)


@dataclass
class Watch:
    """What a page did that no page may: requests to other hosts, errors of scripts and of the console."""

    base_url: str
    foreign: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def over(self, page: Page) -> "Watch":
        page.on("request", self._on_request)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._on_console)
        return self

    def taken(self) -> list[str]:
        """All of it so far, as sentences; from now on the watch begins anew."""
        found = [f"asks another host: {url}" for url in self.foreign]
        # A form that is refused is answered with 422, which the browser writes to the console as an error.
        found += [f"console: {fault}" for fault in self.faults if "status of 422" not in fault]
        self.foreign, self.faults = [], []
        return found

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((f"{self.base_url}/", *LOCAL)):
            self.foreign.append(request.url)

    def _on_console(self, line: ConsoleMessage) -> None:
        # How the page itself was answered is told by its status; a page that was refused is still a page.
        is_of_the_page = line.page is not None and line.location.get("url") == line.page.url
        if line.type == "error" and not (is_of_the_page and "Failed to load resource" in line.text):
            self.faults.append(f"{line.text} ({line.location.get('url', '')})")


@contextmanager
def watched_page(browser: Browser, base_url: str, **options: Any) -> Iterator[tuple[Page, Watch]]:
    """A page in a context of its own. options: of Playwright's `new_context`; `viewport` is a desk's unless given."""
    context = browser.new_context(**{"viewport": DESK, **options})
    try:
        page = context.new_page()
        page.set_default_timeout(WAIT_MS)
        page.set_default_navigation_timeout(LOAD_MS)
        yield page, Watch(base_url).over(page)
    finally:
        context.close()
