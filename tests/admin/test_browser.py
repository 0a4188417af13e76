"""Whole jobs in a real browser, as a person does them."""

import re

from django.test import override_settings
from django.utils import timezone
from playwright.sync_api import expect

from apps_catalog.models import App
from devices.models import Device, Script, ScriptRun
from enrollment.models import Enrollment
from mdm.accounts.models import ApiKey, Role
from mdm.commands.models import Command
from mdm.events.models import Webhook, WebhookDelivery
from tests.browser.base import BrowserTestCase
from tests.browser.chromium import WAIT_MS
from tests.factories import (
    make_command,
    make_device,
    make_enrollment,
    make_event,
    make_installed_app,
    make_script,
    make_script_job,
)
from tests.factories.apps import make_app, make_app_install, make_managed_config
from tests.factories.packages import build_ipa
from tests.fakes.webhook_receiver import Reply, WebhookReceiver
from tests.mdm.push.certificates import make_push_certificate


class BrowserTest(BrowserTestCase):
    def test_adding_the_first_device_and_handing_out_its_link(self) -> None:
        with self.person(Role.OPERATOR) as page:
            page.get_by_role("link", name="Add device").click()
            page.get_by_label("Name").fill("Reception iPad")
            page.get_by_role("button", name="Add and show the link").click()
            expect(page.get_by_role("heading", name="Reception iPad", level=1)).to_be_visible()
            enrollment = Enrollment.objects.get()
            expect(page.get_by_text(enrollment.url)).to_be_visible()
            expect(page.locator("svg.pm-qr")).to_be_visible()
            page.get_by_role("button", name="Copy the enrollment link").click()
            expect(page.get_by_role("button", name="Copy the enrollment link")).to_have_attribute("title", "Copied")
            # The device enrolls; the page notices by itself.
            Device.objects.update(state="enrolled", enrolled_at=timezone.now())
            expect(page.get_by_text("Enrolled", exact=True).first).to_be_visible(timeout=WAIT_MS)

    def test_a_device_that_somebody_else_removed_says_so(self) -> None:
        device = make_device(self.account, enrolled=False, name="Reception iPad")
        make_enrollment(device=device)
        with self.signed_in(self.users[Role.OPERATOR]) as (page, watch):
            self.open(page, f"devices/device/{device.pk}/change/")
            expect(page.locator("svg.pm-qr")).to_be_visible()
            Device.objects.filter(pk=device.pk).update(removed_at=timezone.now())
            expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible(timeout=WAIT_MS)
            watch.taken()

    def test_locking_a_mac_and_seeing_it_answered_without_reloading(self) -> None:
        device = make_device(self.account, platform="macOS", name="Lab Mac")
        with self.person(Role.ADMIN) as page:
            self.open(page, f"devices/device/{device.pk}/change/")
            page.locator("#deed-menu summary").click()
            page.get_by_role("link", name="All commands").click()
            page.get_by_label("Find a command").fill("lock")
            expect(page.get_by_text("Installed apps")).to_be_hidden()
            page.get_by_role("link", name=re.compile("^Lock asks for a confirmation")).click()
            page.get_by_label("Message").fill("Please bring me back")
            page.get_by_label("PIN").fill("123456")
            page.get_by_role("button", name="Lock: send to Lab Mac").click()
            expect(page.get_by_text("Please look at what is marked below")).to_be_visible()
            expect(page.get_by_label("PIN")).to_have_value("")
            page.get_by_label("PIN").fill("123456")
            page.get_by_label("to confirm").fill("Lab Mac")
            page.get_by_role("button", name="Lock: send to Lab Mac").click()
            expect(page.get_by_text("Waits for the device to connect")).to_be_visible()
            self.assertNotIn("123456", page.content())
            Command.objects.update(state="acknowledged", status="Acknowledged", finished_at=timezone.now())
            expect(page.get_by_text("The device has done it.")).to_be_visible(timeout=WAIT_MS)

    @override_settings(WEBHOOK_ALLOW_PRIVATE=True)
    def test_adding_a_webhook_and_seeing_its_test_arrive(self) -> None:
        with WebhookReceiver() as receiver, self.person(Role.ADMIN) as page:
            receiver.replies.append(Reply(status=400, body=b"No such room"))
            self.open(page, "mdm_events/webhook/")
            page.get_by_role("link", name="Add a webhook").first.click()
            page.get_by_label("URL").fill(receiver.url)
            page.get_by_label("MicroMDM").check()
            expect(page.get_by_text("Standard events")).to_be_hidden()
            page.get_by_role("radio", name="Pomona").check()
            expect(page.get_by_text("Standard events")).to_be_visible()
            page.get_by_label("A device could not install an app").check()
            page.get_by_role("button", name="Add the webhook").click()
            expect(page.get_by_role("heading", name="Copy the secret now")).to_be_visible()
            webhook = Webhook.objects.get()
            self.assertIn("app.failed", webhook.events)
            expect(page.get_by_text(webhook.secret)).to_be_visible()
            page.get_by_role("link", name="I have copied it").click()
            expect(page.get_by_text("Nothing was sent yet: send a test.")).to_be_visible()
            self.assertNotIn(webhook.secret, page.content())
            page.get_by_role("button", name="Send test").click()
            row = page.get_by_role("row", name="A test was sent to a webhook")
            expect(row.get_by_text("Will be tried again")).to_be_visible()
            # A worker sends it once more; the page notices by itself.
            WebhookDelivery.objects.update(state="delivered", status_code=204, error="", due_at=None)
            expect(row.get_by_text("Delivered")).to_be_visible(timeout=WAIT_MS)
            row.get_by_role("link").click()
            expect(page.get_by_text("No such room")).to_be_visible()
            page.get_by_role("button", name="Send again").click()
            expect(page.get_by_text("The receiver took it")).to_be_visible()
            self.assertEqual(len({message.headers["Pomona-Event-Id"] for message in receiver.received}), 1)

    def test_an_operator_is_not_offered_what_destroys(self) -> None:
        device = make_device(self.account, name="Library 1")
        with self.person(Role.OPERATOR) as page:
            self.open(page, f"devices/device/{device.pk}/send/")
            expect(page.get_by_role("link", name="Device information")).to_be_visible()
            expect(page.get_by_text("Erase", exact=True)).to_have_count(0)
            self.open(page, f"devices/device/{device.pk}/change/")
            page.locator("#deed-menu summary").click()
            expect(page.get_by_role("link", name="Edit name and group")).to_be_visible()
            expect(page.get_by_text("Remove management")).to_have_count(0)

    def test_an_upload_that_is_refused_keeps_the_file_and_one_that_is_not_leads_to_its_app(self) -> None:
        bad = {"name": "app.ipa", "mimeType": "application/octet-stream", "buffer": b"no app at all"}
        with self.person(Role.OPERATOR) as page:
            self.open(page, "apps_catalog/app/add/")
            form = page.locator("form[data-upload]")
            form.get_by_label("File").set_input_files(bad)
            form.get_by_label("Name").fill("Our app")
            form.get_by_role("button", name="Upload").click()
            expect(form.get_by_role("alert")).to_contain_text("This is neither")
            expect(form.get_by_label("Name")).to_have_value("Our app")
            self.assertEqual(form.get_by_label("File").evaluate("input => input.files[0].name"), "app.ipa")
            form.get_by_label("File").evaluate("input => { input.dataset.maxBytes = 5 }")
            form.get_by_role("button", name="Upload").click()
            expect(form.get_by_role("alert")).to_contain_text("can be uploaded")
            form.get_by_label("File").evaluate("input => { input.dataset.maxBytes = 1e9 }")
            form.get_by_label("File").set_input_files({**bad, "buffer": build_ipa()})
            form.get_by_role("button", name="Upload").click()
            expect(page.get_by_role("heading", name="Our app", level=1)).to_be_visible()
            expect(page.get_by_text("Our app was added.")).to_be_visible()
        self.assertEqual(App.objects.get().version, "2.2")

    def test_writing_a_script_by_keyboard(self) -> None:
        with self.person(Role.ADMIN) as page:
            self.open(page, "devices/script/add/")
            area = page.get_by_label("Script")
            page.get_by_label("Name").fill("Say hi")
            expect(page.locator(".pm-code-editor .pm-numbers")).to_contain_text("1\n2")
            area.focus()
            page.keyboard.press("Control+End")
            page.keyboard.type("if true; then")
            page.keyboard.press("Enter")
            page.keyboard.press("Tab")
            page.keyboard.type("echo hi")
            page.keyboard.press("Enter")
            page.keyboard.press("Shift+Tab")
            page.keyboard.type("fi")
            expect(area).to_have_value("#!/bin/sh\nif true; then\n    echo hi\nfi")
            expect(page.locator(".pm-code-editor .pm-numbers")).to_contain_text("4")
            page.keyboard.press("Control+a")
            page.keyboard.press("Tab")
            expect(area).to_have_value("    #!/bin/sh\n    if true; then\n        echo hi\n    fi")
            page.keyboard.press("Control+z")
            page.keyboard.press("Control+End")
            page.keyboard.press("Escape")
            page.keyboard.press("Tab")
            expect(page.get_by_label("or a file")).to_be_focused()
            page.get_by_role("button", name="Save", exact=True).click()
            expect(page.get_by_role("heading", name="Say hi", level=1)).to_be_visible()
        self.assertEqual(Script.objects.get().content, "#!/bin/sh\nif true; then\n    echo hi\nfi")

    def test_a_file_is_seen_in_the_editor_before_it_is_saved(self) -> None:
        good = {"name": "free space.sh", "mimeType": "text/x-sh", "buffer": b"#!/bin/sh\ndf -g /\n"}
        with self.person(Role.ADMIN) as page:
            self.open(page, "devices/script/add/")
            page.set_input_files("[name=file]", good)
            expect(page.get_by_label("Script")).to_have_value("#!/bin/sh\ndf -g /\n")
            expect(page.get_by_label("Name")).to_have_value("free space")
            page.set_input_files("[name=file]", {**good, "buffer": b"\xff\xfe"})
            page.get_by_role("button", name="Save", exact=True).click()
            expect(page.locator("#id_file_error")).to_contain_text("not UTF-8")

    def test_running_a_script_and_seeing_each_mac_answer_without_reloading(self) -> None:
        macs = [make_device(self.account, platform="macOS", name=f"Lab Mac {number}") for number in range(2)]
        script = make_script(self.account, "Free space")
        with self.person(Role.OPERATOR) as page:
            self.open(page, f"devices/script/{script.pk}/change/")
            page.get_by_role("link", name="Run…").click()
            page.get_by_label(re.compile("Default")).check()
            page.get_by_role("button", name="Continue").click()
            page.get_by_role("button", name="Run on 2 Macs").click()
            expect(page.get_by_text("Waiting for Macs")).to_be_visible()
            ended = {"finished_at": timezone.now(), "began_at": timezone.now()}
            ScriptRun.objects.filter(device=macs[0]).update(state="completed", status_code="0", response="42", **ended)
            ScriptRun.objects.filter(device=macs[1]).update(state="error", status_code="3", response="oh no", **ended)
            expect(page.get_by_text("Completed with errors")).to_be_visible(timeout=WAIT_MS)
            expect(page.get_by_text("oh no")).to_be_visible()
            page.get_by_role("link", name="Run again on the 1 Mac where it failed").click()
            page.get_by_role("button", name="Continue").click()
            expect(page.get_by_role("button", name="Run on 1 Mac")).to_be_visible()

    def test_finding_a_device_by_keyboard_alone(self) -> None:
        make_device(self.account, name="Library 1")
        make_device(self.account, name="Kiosk in the hall")
        with self.person(Role.READ_ONLY) as page:
            page.locator("body").click(position={"x": 700, "y": 5})
            page.keyboard.press("Control+k")
            page.locator("#search-input-command").press_sequentially("kiosk")
            expect(page.get_by_role("link", name="Kiosk in the hall")).to_be_visible()
            page.keyboard.press("ArrowDown")
            page.keyboard.press("Enter")
            expect(page.get_by_role("heading", name="Kiosk in the hall", level=1)).to_be_visible()

    def test_filtering_the_list_and_clearing_it_again(self) -> None:
        make_device(self.account, platform="macOS", name="Lab Mac")
        make_device(self.account, platform="iOS", name="Library 1")
        with self.person(Role.READ_ONLY) as page:
            self.open(page, "devices/device/")
            page.locator("summary", has_text="Platform").click()
            page.get_by_role("link", name="Mac", exact=True).click()
            expect(page.get_by_role("link", name="Lab Mac")).to_be_visible()
            expect(page.get_by_role("link", name="Library 1")).to_have_count(0)
            page.get_by_role("link", name="Clear").click()
            expect(page.get_by_role("link", name="Library 1")).to_be_visible()

    def test_moving_chosen_devices_to_a_group(self) -> None:
        for number in range(3):
            make_device(self.account, name=f"Library {number}")
        with self.person(Role.OPERATOR) as page:
            self.open(page, "devices/devicegroup/add/")
            page.get_by_label("Name").fill("Reading room")
            page.get_by_role("button", name="Create the group").click()
            self.open(page, "devices/device/")
            for number in range(3):
                page.get_by_label(f"Choose Library {number}").check()
            page.locator("summary", has_text="Do with them").click()
            page.get_by_role("button", name="Move to a device group").click()
            page.get_by_label("Move to").select_option(label="Reading room")
            page.get_by_role("button", name="Move to a device group: 3 devices").click()
            expect(page.get_by_role("heading", name="Move to Reading room: 3 devices")).to_be_visible()
            expect(page.locator("[data-outcome=done][data-number='3']")).to_be_visible(timeout=15_000)
        self.assertEqual(Device.objects.filter(group__name="Reading room").count(), 3)

    def test_an_api_key_is_seen_once(self) -> None:
        with self.person(Role.ADMIN) as page:
            self.open(page, "mdm_accounts/apikey/add/")
            page.get_by_label("Name").fill("Munki")
            page.get_by_role("button", name="Create the key").click()
            secret = page.locator(".pm-once code").inner_text()
            page.get_by_role("link", name="I have copied it").click()
            expect(page.get_by_role("link", name="Munki")).to_be_visible()
            self.assertNotIn(secret, page.content())
        self.assertTrue(secret.startswith(ApiKey.objects.get().prefix))

    def test_it_works_without_scripts(self) -> None:
        device = make_device(self.account, name="Library 1")
        with self.person(Role.OPERATOR, java_script_enabled=False) as page:
            self.open(page, f"devices/device/{device.pk}/send/")
            page.get_by_role("link", name="Security information").click()
            page.get_by_role("button", name="Security information: send to Library 1").click()
            expect(page.get_by_text("Waits for the device to connect")).to_be_visible()
            page.get_by_role("button", name="Cancel the command").click()
            expect(page.get_by_text("Taken back before the device got it")).to_be_visible()

    def test_dark_is_dark(self) -> None:
        with self.person(Role.OWNER, color_scheme="dark") as page:
            lightness = page.evaluate(
                """() => {
                    const paint = document.createElement("canvas").getContext("2d");
                    paint.fillStyle = getComputedStyle(document.getElementById("main")).backgroundColor;
                    paint.fillRect(0, 0, 1, 1);
                    return Math.max(...paint.getImageData(0, 0, 1, 1).data.slice(0, 3));
                }"""
            )
            self.assertLess(lightness, 60)

    def test_a_chosen_file_leaves_the_fields_beside_it_alone(self) -> None:
        make_push_certificate(self.account)
        with self.person(Role.OWNER) as page:
            self.open(page, "mdm_push/pushcertificate/")
            page.set_input_files("[name=certificate]", {"name": "push.pem", "mimeType": "", "buffer": b"rubbish"})
            self.assertEqual(page.input_value("[name=give_up_topic]"), "")
            page.locator("form[action$='/upload/'] button").click()
            expect(page.locator("#id_certificate_error")).to_contain_text("This file is not a certificate")

    def test_no_page_is_wider_than_a_phone(self) -> None:
        device = make_device(self.account, platform="macOS", name="A Mac with a rather long name in the reading room")
        failed = make_command(
            device, "RestartDevice", state="failed", error_chain=[{"USEnglishDescription": "No. " * 40}]
        )
        make_command(device, "SecurityInfo")
        make_event(device=device, event_type="device.enrolled")
        make_installed_app(device, name="An app with a rather long name", is_managed=True)
        app = make_app(self.account, "An app with a rather long name", bundle_identifier="com.example." + "long" * 20)
        make_app_install(app, device, "failed", error="No. " * 40)
        script = make_script(self.account, "A script with a rather long name", content="#!/bin/sh\n# " + "long " * 60)
        job = make_script_job(script=script, devices=[device], state="error")
        job.runs.update(response="a_long_word_of_output" * 30, status_code="1", finished_at=timezone.now())
        make_managed_config(app, "a_key_with_a_rather_long_name" * 2, "a_long_value" * 20)
        paths = [
            "",
            "devices/device/",
            f"devices/device/{device.pk}/change/",
            f"devices/device/{device.pk}/change/?tab=commands",
            f"devices/device/{device.pk}/send/",
            f"devices/device/{device.pk}/send/EraseDevice/",
            f"mdm_commands/command/{failed.pk}/change/",
            "mdm_commands/command/",
            "mdm_events/event/",
            "mdm_push/pushcertificate/",
            "mdm_accounts/membership/",
            "enrollment/enrollment/",
            "apps_catalog/app/",
            "apps_catalog/app/add/",
            f"apps_catalog/app/{app.pk}/change/",
            f"apps_catalog/app/{app.pk}/devices/?state=failed",
            f"apps_catalog/app/{app.pk}/configuration/",
            f"devices/device/{device.pk}/change/?tab=apps",
            "devices/script/",
            f"devices/script/{script.pk}/change/",
            f"devices/script/{script.pk}/edit/",
            f"devices/script/{script.pk}/run/",
            f"devices/script/choose/?device={device.pk}",
            "devices/scriptjob/",
            f"devices/scriptjob/{job.pk}/change/",
            f"devices/scriptjob/{job.pk}/output/?device={device.pk}",
            f"devices/device/{device.pk}/change/?tab=scripts",
            "devices/installercertificate/",
        ]
        with self.person(Role.OWNER, viewport={"width": 390, "height": 844}) as page:
            for path in paths:
                self.open(page, path)
                self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 390, path)
