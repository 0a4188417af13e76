"""Walking over pages in a browser and looking at each of them: what `tests/admin/test_every_page.py` is made of."""

from collections import deque
from collections.abc import Iterable
from urllib.parse import urlsplit

from playwright.sync_api import Page

from mdm.accounts.models import User
from tests.browser.base import BrowserTestCase
from tests.browser.chromium import Watch
from tests.browser.looks import Report, look_at
from tests.browser.pages import NOT_OURS, kind_of

# Signing somebody out ends the walk.
ENDS_THE_SESSION = ("/admin/logout/", "/accounts/logout/")


class WalkTestCase(BrowserTestCase):
    def walk(
        self, user: User, paths: Iterable[str], *, known: Iterable[str] = (), follows_links: bool = True
    ) -> Report:
        """What is found on these, as this person. known: those that others look at."""
        report = Report()
        with self.signed_in(user) as (page, watch):
            self.look_at_all(page, watch, paths, report, known=known, follows_links=follows_links)
        return report

    def look_at_all(
        self,
        page: Page,
        watch: Watch,
        paths: Iterable[str],
        report: Report,
        *,
        known: Iterable[str] = (),
        follows_links: bool = True,
    ) -> None:
        """All of these, and each kind of page that links on them lead to once."""
        paths = list(paths)
        waiting = deque((path, False) for path in dict.fromkeys(paths) if self.says_something(page, path))
        seen = {kind_of(path) for path in (*paths, *known)}
        while waiting:
            path, was_linked = waiting.popleft()
            if urlsplit(path).path in ENDS_THE_SESSION:
                continue
            url, name = f"{self.live_server_url}{path}", kind_of(path) or path
            links = look_at(page, watch, url, name, report, was_linked=was_linked)
            for link in self.paths_of_pages(links) if follows_links else ():
                if kind_of(link) not in seen:
                    seen.add(kind_of(link))
                    waiting.append((link, True))

    def says_something(self, page: Page, path: str) -> bool:
        """What is not to be opened but sent is refused without a word, for which a browser has a page of its own."""
        answer = page.request.get(f"{self.live_server_url}{path}", max_redirects=0)
        return answer.status < 400 or bool(answer.body())

    def paths_of_pages(self, links: Iterable[str]) -> Iterable[str]:
        for link in links:
            parts = urlsplit(link)
            ours = link.startswith(f"{self.live_server_url}/") and not parts.path[1:].startswith(NOT_OURS)
            # Of lists with filters and orders, the tabs and the first page are enough.
            if ours and (not parts.query or parts.query.startswith("tab=")):
                yield parts.path + (f"?{parts.query}" if parts.query else "")

    def assert_nothing_grave(self, report: Report) -> None:
        print(report)
        self.assertFalse(report.grave, f"\n{report}")
