"""Whole jobs in the admin, in a browser, against the real server and devices that really answer.

With POMONA_SCREENSHOTS set to a folder, pictures of the main pages are written there by the same run.
"""

import base64
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from playwright.sync_api import Browser, Locator, Page, expect

from mdm.virtual.device import VirtualDevice
from tests.browser.chromium import DESK, PHONE, running_browser, watched_page
from tests.browser.phones import Phones
from tests.factories import PASSWORD
from tests.factories.packages import build_ipa
from tests.factories.profiles import make_mobileconfig
from tests.fakes.apns import FakeApns
from tests.fakes.authority import Authority
from tests.flows.server import Running, running_pomona

pytestmark = [pytest.mark.flow, pytest.mark.browser]
MANY = 500
TOPIC = "com.apple.mgmt.External.0f3c5a9e-1111-4222-8333-444455556666"
PUSH_SUBJECT = [(NameOID.USER_ID, TOPIC), (NameOID.COMMON_NAME, "APSP:0f3c5a9e")]
WAIT_MS = 60_000
MOST_BYTES = 150_000  # of a picture
PICTURES = os.environ.get("POMONA_SCREENSHOTS", "")
LIGHTNESS = """() => {
    const paint = document.createElement("canvas").getContext("2d");
    paint.fillStyle = getComputedStyle(document.getElementById("main")).backgroundColor;
    paint.fillRect(0, 0, 1, 1);
    return Math.max(...paint.getImageData(0, 0, 1, 1).data.slice(0, 3));
}"""
# Main pages: the picture's name, and where it is.
MAIN_PAGES = {
    "home": "",
    "devices": "devices/device/",
    "device-groups": "devices/devicegroup/",
    "profiles": "devices/profile/",
    "assignment-groups": "devices/assignmentgroup/",
    "apps": "apps_catalog/app/",
    "scripts": "devices/script/",
    "script-jobs": "devices/scriptjob/",
    "enrollments": "enrollment/enrollment/",
    "commands": "mdm_commands/command/",
    "operations": "devices/bulkoperation/",
    "log": "mdm_events/event/",
    "push-certificate": "mdm_push/pushcertificate/",
    "webhooks": "mdm_events/webhook/",
    "people": "mdm_accounts/membership/",
}


class Desk:
    """A browser in front of the server, and the school's many phones."""

    def __init__(self, server: Running, browser: Browser, apns: FakeApns, apple: Authority, folder: Path) -> None:
        self.server, self.browser, self.apns, self.apple, self.folder = server, browser, apns, apple, folder
        self.phones: Phones | None = None

    @contextmanager
    def signed_in(self, email: str = "", password: str = PASSWORD, **options: Any) -> Iterator[Page]:
        """As the owner unless an address is given. At the end no other host was asked and no script had failed."""
        with watched_page(self.browser, self.server.base_url, **options) as (page, watch):
            page.set_default_timeout(WAIT_MS)
            page.goto(f"{self.server.base_url}/admin/")
            page.get_by_label("E-mail").fill(email or self.server.email)
            page.get_by_label("Password").fill(password if email else self.server.password)
            page.get_by_role("button", name="Sign in", exact=True).click()
            expect(page.get_by_role("heading", name="Home", level=1)).to_be_visible(timeout=WAIT_MS)
            yield page
        assert watch.taken() == []

    def open(self, page: Page, path: str) -> None:
        page.goto(f"{self.server.base_url}/admin/{path}")

    def fill_the_school(self) -> Phones:
        if self.phones is None:
            keys, credentials = self.folder / "phones.json", self.folder / "push.json"
            certificate, key = self.apple.issue(PUSH_SUBJECT, days=300)
            given = {"topic": TOPIC, "certificate": certificate.decode(), "key": key.decode()}
            credentials.write_text(json.dumps(given))
            order = f"from tests.browser.demo import fill; fill({MANY}, {str(keys)!r}, {str(credentials)!r})"
            self.server.manage("shell", "--verbosity", "0", "--command", order)
            self.phones = Phones(self.server.base_url, self.apns, keys)
        return self.phones


@pytest.fixture(scope="module")
def apple() -> Authority:
    return Authority("Apple's CA")


@pytest.fixture(scope="module")
def apns(apple: Authority) -> Iterator[FakeApns]:
    """Takes every push."""
    with FakeApns(authority=apple) as fake:
        yield fake


@pytest.fixture(scope="module")
def server(apns: FakeApns, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With keys of its own, as an operator gives it. Nobody is at the other end of the App Store."""
    keys = {"SECRET_KEY": "of the day " * 5, "FIELD_ENCRYPTION_KEYS": f"day:{base64.b64encode(bytes(32)).decode()}"}
    outside = {"APNS_URL": apns.url, "APNS_CA_FILE": apns.ca_file, "APP_STORE_URL": "https://127.0.0.1:9"}
    with running_pomona(tmp_path_factory.mktemp("admin-day"), **keys, **outside) as running:
        yield running


@pytest.fixture(scope="module")
def desk(server: Running, apns: FakeApns, apple: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with running_browser() as browser:
        yield Desk(server, browser, apns, apple, tmp_path_factory.mktemp("desk"))


def answers(page: Page) -> Locator:
    return page.get_by_text("The device has done it.")


def signed_by_apple(apple: Authority, request: bytes) -> bytes:
    """What Apple's portal makes of a request."""
    return apple.certify(x509.load_pem_x509_csr(request).public_key(), PUSH_SUBJECT, days=365)


def test_the_first_day_by_the_checklist(desk: Desk) -> None:
    """Four steps, each ticked off by itself, and then the list of steps is gone."""
    with desk.signed_in() as page, httpx.Client(timeout=60) as client:
        count = page.locator(".pm-start-count")
        expect(count).to_have_text("0 of 4 done")
        page.get_by_role("link", name="Set it up").click()
        page.get_by_label("E-mail").fill("it@orchard.example")
        page.get_by_role("button", name="Make the request").click()
        with page.expect_download() as download:
            page.locator("a[href*='/download/']").first.click()
        pem = signed_by_apple(desk.apple, Path(download.value.path()).read_bytes())
        page.set_input_files("[name=certificate]", {"name": "push.pem", "mimeType": "", "buffer": pem})
        page.locator("form[action$='/upload/'] button[type=submit]").click()
        expect(page.get_by_text("can be woken").first).to_be_visible()

        desk.open(page, "")
        expect(count).to_have_text("1 of 4 done")
        page.locator("#home-step-device").click()
        page.get_by_label(re.compile("^Name")).fill("Reception iPad")
        page.get_by_role("button", name="Add and show the link").click()
        VirtualDevice("ios", client=client, name="Reception iPad").enroll(enrollment_link(page))
        expect(page.get_by_text("Enrolled", exact=True).first).to_be_visible()

        desk.open(page, "")
        expect(count).to_have_text("2 of 4 done")
        page.get_by_role("link", name="Upload the first profile").click()
        upload_profile(page, "Wi-Fi", "org.orchard.first-wifi")

        desk.open(page, "")
        expect(count).to_have_text("3 of 4 done")
        page.get_by_role("link", name="Add the first app").click()
        form = page.locator("form[data-upload]")
        form.get_by_label("File").set_input_files({"name": "app.ipa", "mimeType": "", "buffer": build_ipa()})
        form.get_by_role("button", name="Upload").click()
        expect(page.get_by_text("was added.")).to_be_visible()

        desk.open(page, "")
        expect(count).to_have_count(0)


def enrollment_link(page: Page) -> str:
    """As the device's page shows it to be copied."""
    return page.locator(".pm-enroll").get_by_text(re.compile(r"/e/\?c=")).first.inner_text().strip()


def upload_profile(page: Page, name: str, identifier: str) -> None:
    file = {"name": f"{name}.mobileconfig", "mimeType": "", "buffer": make_mobileconfig(identifier)}
    page.get_by_label("File").set_input_files(file)
    page.get_by_label(re.compile("^Name")).fill(name)
    page.locator("form.pm-form button[type=submit]").click()
    expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()


def test_enrolling_a_mac_and_locking_it_and_seeing_it_answered_without_reloading(desk: Desk) -> None:
    with desk.signed_in() as page, httpx.Client(timeout=60) as client:
        desk.open(page, "devices/device/add/")
        page.get_by_label(re.compile("^Name")).fill("Lab Mac")
        page.get_by_role("button", name="Add and show the link").click()
        expect(page.get_by_role("heading", name="Lab Mac", level=1)).to_be_visible()
        device = VirtualDevice("macos", client=client, name="Lab Mac")
        device.enroll(enrollment_link(page))
        expect(page.get_by_text("Enrolled", exact=True).first).to_be_visible()
        device.drain()
        page.locator("#deed-menu summary").click()
        page.get_by_role("link", name="All commands").click()
        page.get_by_label("Find a command").fill("lock")
        page.get_by_role("link", name=re.compile("^Lock asks for a confirmation")).click()
        page.get_by_label("PIN").fill("123456")
        page.get_by_label("to confirm").fill("Lab Mac")
        page.get_by_role("button", name="Lock: send to Lab Mac").click()
        expect(page.get_by_text("Waits for the device to connect")).to_be_visible()
        page.evaluate("window.isTheSamePage = true")
        device.drain()
        expect(answers(page)).to_be_visible()
        assert page.evaluate("window.isTheSamePage"), "the page was loaded anew"


def test_uploading_a_profile_and_assigning_it_and_watching_its_totals(desk: Desk) -> None:
    with desk.signed_in() as page, httpx.Client(timeout=60) as client:
        desk.open(page, "devices/device/add/")
        page.get_by_label(re.compile("^Name")).fill("Library iPad")
        page.get_by_role("button", name="Add and show the link").click()
        device = VirtualDevice("ios", client=client, name="Library iPad")
        device.enroll(enrollment_link(page))
        device.drain()
        desk.open(page, "devices/profile/add/")
        upload_profile(page, "Passcode", "org.orchard.passcode-rules")
        page.get_by_role("link", name="Assign…").click()
        page.get_by_label("Single devices").fill(device.serial)
        page.locator("form.pm-form button[type=submit]").click()
        expect(page.get_by_text("Assigned.")).to_be_visible()
        boxes = page.locator(".pm-state-box.pm-installed b")
        expect(boxes).to_have_text("0")
        for _ in range(60):  # nothing here loads the page: its numbers follow by themselves
            device.drain()
            if boxes.inner_text() == "1":
                break
            page.wait_for_timeout(1000)
        expect(boxes).to_have_text("1")


def test_restarting_hundreds_of_devices_with_the_progress_in_view(desk: Desk) -> None:
    """Nothing here loads the page: its numbers follow by themselves."""
    phones = desk.fill_the_school()
    with desk.signed_in() as page:
        desk.open(page, "devices/device/")
        page.get_by_label("Choose all devices on this page").check()
        page.locator("[name=all]").check()
        page.get_by_text("Do with them").click()
        page.get_by_role("button", name="Restart", exact=True).click()
        confirm(page)
        page.locator("#bulk-form button[type=submit]").click()
        expect(page.get_by_role("progressbar")).to_be_visible()
        done = page.locator("#box-done")
        phones.connect_until(MANY // 3, "RestartDevice")
        expect(done).not_to_have_attribute("data-number", "0")
        assert 0 < int(done.get_attribute("data-number")) < MANY, "half-way is to be seen"
        picture(page, "operation")
        phones.connect_until(MANY, "RestartDevice")
        expect(done).to_have_attribute("data-number", str(MANY))


def confirm(page: Page) -> None:
    """The page says what to type."""
    field = page.locator(".pm-confirm input")
    said = page.locator(".pm-confirm").inner_text()
    number = re.search(r"\d[\d  ,.]*", said)
    assert number, said
    field.fill(re.sub(r"\D", "", number[0]))


def test_a_person_who_may_only_read_is_offered_nothing_and_refused_everything(desk: Desk) -> None:
    desk.fill_the_school()
    with desk.signed_in("reader@orchard.example") as page:
        desk.open(page, "devices/device/?q=5b-01")
        expect(page.get_by_role("link", name="Add device")).to_have_count(0)
        expect(page.get_by_text("Do with them")).to_have_count(0)
        page.get_by_role("link", name="iPad 5b-01").click()
        expect(page.get_by_role("heading", name="iPad 5b-01", level=1)).to_be_visible()
        expect(page.locator("#deed-menu")).to_have_count(0)
        # Whoever knows the address is refused there, too.
        for path in ("send/", "send/EraseDevice/", "remove/"):
            answer = page.request.get(page.url.split("/change/")[0] + f"/{path}")
            assert answer.status == 403, path


def test_finding_a_device_and_asking_it_by_keyboard_alone(desk: Desk) -> None:
    desk.fill_the_school()
    with desk.signed_in() as page:
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        page.keyboard.press("Control+k")
        page.locator("#search-input-command").press_sequentially("iPad 5b-01")
        expect(page.get_by_role("link", name="iPad 5b-01")).to_be_visible()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="iPad 5b-01", level=1)).to_be_visible()
        tab_to(page, page.locator("#deed-menu summary"))
        page.keyboard.press("Enter")
        tab_to(page, page.get_by_role("link", name="All commands"))
        page.keyboard.press("Enter")
        expect(page.get_by_label("Find a command")).to_be_visible()
        page.get_by_label("Find a command").focus()
        page.keyboard.type("security information")
        tab_to(page, page.get_by_role("link", name=re.compile("^Security information")).first)
        page.keyboard.press("Enter")
        send = page.get_by_role("button", name=re.compile("send to iPad 5b-01"))
        tab_to(page, send)
        page.keyboard.press("Enter")
        expect(page.get_by_text("Waits for the device to connect")).to_be_visible()


def tab_to(page: Page, wanted: Locator, most: int = 120) -> None:
    """Press Tab until it has the focus, as somebody without a mouse has to; on the way every stop can be seen."""
    expect(wanted).to_be_visible()
    for _ in range(most):
        page.keyboard.press("Tab")
        if wanted.evaluate("one => one === document.activeElement"):
            return
    raise AssertionError(f"not reached by {most} tabs: {wanted}")


def test_dark_is_dark_and_stays_so(desk: Desk) -> None:
    with desk.signed_in() as page:
        page.locator(".pm-user summary").click()
        page.get_by_role("button", name="Dark").click()
        assert page.evaluate(LIGHTNESS) < 60
        desk.open(page, "devices/device/")
        assert page.evaluate(LIGHTNESS) < 60
        page.locator(".pm-user summary").click()
        page.get_by_role("button", name="Light").click()
        assert page.evaluate(LIGHTNESS) > 200


def test_a_day_on_the_phone(desk: Desk) -> None:
    """The sidebar comes when it is asked for, and no main page is wider than the screen."""
    desk.fill_the_school()
    with desk.signed_in(viewport=PHONE, has_touch=True, is_mobile=True) as page:
        page.get_by_role("button", name="Show the sidebar").click()
        page.locator("#nav-sidebar").get_by_role("link", name="Devices", exact=True).click()
        expect(page.get_by_role("heading", name="Devices", level=1)).to_be_visible()
        for name, path in MAIN_PAGES.items():
            desk.open(page, path)
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"], name


@pytest.mark.skipif(not PICTURES, reason="pictures are only taken where POMONA_SCREENSHOTS says")
def test_pictures_of_every_main_page(desk: Desk) -> None:
    desk.fill_the_school()
    with desk.signed_in(viewport=DESK) as page:
        for name, path in MAIN_PAGES.items():
            desk.open(page, path)
            picture(page, name)
        desk.open(page, "devices/device/?q=iPad+5b-01")
        page.get_by_role("link", name="iPad 5b-01").click()
        device = page.url
        picture(page, "device")
    for theme, size, suffix in (("dark", DESK, "dark"), ("light", PHONE, "phone")):
        with desk.signed_in(viewport=size, color_scheme=theme) as page:
            for name in ("home", "devices"):
                desk.open(page, MAIN_PAGES[name])
                picture(page, f"{name}-{suffix}")
            page.goto(device)
            picture(page, f"device-{suffix}")
    made = {path.stem for path in Path(PICTURES).glob("*.png")}
    assert {*MAIN_PAGES, "device", "home-dark", "devices-phone"} <= made, "a picture is missing"


def picture(page: Page, name: str) -> None:
    """What is on the screen, from the top down to where the file would grow too big; nothing where no pictures are wanted."""
    if not PICTURES:
        return
    page.wait_for_load_state("networkidle")
    page.evaluate("document.fonts.ready")
    Path(PICTURES).mkdir(parents=True, exist_ok=True)
    width, height = page.viewport_size["width"], page.viewport_size["height"]
    for shown in range(height, height // 2, -60):
        clip = {"x": 0, "y": 0, "width": width, "height": shown}
        content = page.screenshot(animations="disabled", clip=clip)
        if len(content) <= MOST_BYTES:
            break
    assert len(content) <= MOST_BYTES, f"{name}: even half of it is {len(content):,} bytes"
    (Path(PICTURES) / f"{name}.png").write_bytes(content)
