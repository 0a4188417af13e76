"""Apps that take their time, fail, cost money or were there before."""

import plistlib

import pytest

from mdm.virtual.device import VirtualDevice
from mdm.virtual.installing import ALL_APPS, InstallCourse
from tests.mdm.virtual.local_device import POOL, mac, phone
from tests.mdm.virtual.reference_server import ReferenceServer
from tests.mdm.virtual.sample_commands import APP

SHOP = "com.example.shop"
STORE = {42: (SHOP, "Shop", "3.0")}


@pytest.fixture(scope="module")
def server():
    return ReferenceServer()


def manifest(version="2.1", identifier=APP):
    asset = {"kind": "software-package", "url": "https://example.com/app.pkg"}
    metadata = {"bundle-identifier": identifier, "bundle-version": version, "kind": "software", "title": "Example"}
    return {"items": [{"assets": [asset], "metadata": metadata}]}


def manifest_url(server, version="2.1"):
    server.files[f"/{version}.plist"] = plistlib.dumps(manifest(version))
    return f"{server.base}/{version}.plist"


def statuses(device):
    listed = device.answer_locally("ManagedApplicationList")["ManagedApplicationList"]
    return {identifier: row["Status"] for identifier, row in listed.items()}


def listed(device, identifier):
    """The app's row in InstalledApplicationList, None without one."""
    rows = device.answer_locally("InstalledApplicationList", Identifiers=[identifier])["InstalledApplicationList"]
    return rows[0] if rows else None


def install(device, **keys):
    """What the device answers to InstallApplication of the app of the store, as a pair of state and reason."""
    answer = device.answer_locally("InstallApplication", iTunesStoreID=42, **keys)
    assert answer["Identifier"] == SHOP
    return answer["State"], answer.get("RejectionReason")


# Time


def test_an_app_on_its_way_is_installing_on_an_iphone_until_it_is_managed(server):
    iphone = phone(server, store=STORE)
    iphone.behaviour.installs = {SHOP: InstallCourse(steps=3)}
    assert install(iphone, Configuration={"k": "v"}) == ("Installing", None)
    assert statuses(iphone) == {SHOP: "Installing"}
    assert listed(iphone, SHOP)["Installing"] is True
    iphone.pass_time(2)
    assert statuses(iphone) == {SHOP: "Installing"}
    iphone.pass_time()
    assert statuses(iphone) == {SHOP: "Managed"}
    assert listed(iphone, SHOP)["Installing"] is False
    configured = iphone.answer_locally("ManagedApplicationConfiguration", Identifiers=[SHOP])
    assert configured["ApplicationConfigurations"] == [{"Identifier": SHOP, "Configuration": {"k": "v"}}]


def test_a_mac_lists_an_app_only_when_it_is_there(server):
    macbook = mac(server)
    macbook.behaviour.installs = {ALL_APPS: InstallCourse(steps=2)}
    macbook.answer_locally("InstallEnterpriseApplication", Manifest=manifest(), InstallAsManaged=True)
    assert statuses(macbook) == {APP: "Installing"}
    assert listed(macbook, APP) is None
    macbook.finish_installs()
    assert statuses(macbook) == {APP: "Managed"}
    assert listed(macbook, APP)["Version"] == "2.1"


def test_each_exchange_is_a_step_from_the_answer_on(server):
    server = ReferenceServer()
    device = VirtualDevice("ios", client=server.client(), key_source=POOL, seed=7, store=STORE)
    device.enroll(server.url)
    device.behaviour.installs = {ALL_APPS: InstallCourse(steps=3)}
    server.enqueue(device.udid, "InstallApplication", iTunesStoreID=42)
    for _ in range(3):
        server.enqueue(device.udid, "ManagedApplicationList")
    device.drain()
    answers = [row["message"] for row in server.reports]
    assert answers[1]["State"] == "Installing"
    told = [row["ManagedApplicationList"][SHOP]["Status"] for row in answers if "ManagedApplicationList" in row]
    assert told == ["Installing", "Installing", "Managed"]


def test_an_install_that_takes_long_goes_on_in_later_sessions(server):
    server = ReferenceServer()
    device = VirtualDevice("ios", client=server.client(), key_source=POOL, seed=7, store=STORE)
    device.enroll(server.url)
    device.behaviour.installs = {SHOP: InstallCourse(steps=3)}
    server.enqueue(device.udid, "InstallApplication", iTunesStoreID=42)
    device.drain()
    device.drain()
    assert SHOP not in device.state.apps
    device.drain()
    assert SHOP in device.state.apps


def test_an_app_of_its_own_course_and_the_others_together(server):
    iphone = phone(server, store=STORE)
    iphone.behaviour.installs = {SHOP: InstallCourse(), ALL_APPS: InstallCourse(steps=9)}
    install(iphone)
    iphone.answer_locally("InstallApplication", iTunesStoreID=1)
    assert statuses(iphone) == {SHOP: "Managed", "com.appstore.id1": "Installing"}


def test_a_second_order_for_an_app_on_its_way_is_refused_on_an_iphone(server):
    iphone = phone(server, store=STORE)
    iphone.behaviour.installs = {SHOP: InstallCourse(steps=3)}
    install(iphone)
    refused = iphone.reply("InstallApplication", iTunesStoreID=42)
    assert refused.response == {"RejectionReason": "AppAlreadyQueued"}
    assert refused.chain[0]["ErrorCode"] == 12026
    iphone.finish_installs()
    assert install(iphone) == ("Updating", None)


def test_removing_an_app_on_its_way_calls_it_off(server):
    iphone = phone(server, store=STORE)
    iphone.behaviour.installs = {SHOP: InstallCourse(steps=3)}
    install(iphone)
    iphone.answer_locally("RemoveApplication", Identifier=SHOP)
    iphone.finish_installs()
    assert (statuses(iphone), listed(iphone, SHOP)) == ({}, None)


# Failures


@pytest.mark.parametrize("ending", ["Failed", "UserRejected"])
def test_a_failed_install_is_told_once_and_never_listed(server, ending):
    iphone = phone(server, store=STORE)
    iphone.behaviour.installs = {SHOP: InstallCourse(steps=2, ends=ending)}
    assert install(iphone) == ("Installing", None)
    assert statuses(iphone) == {SHOP: "Installing"}
    iphone.pass_time(2)
    assert listed(iphone, SHOP) is None
    assert statuses(iphone) == {SHOP: ending}
    assert statuses(iphone) == {}
    assert iphone.code("RemoveApplication", Identifier=SHOP) == 12029
    iphone.behaviour.installs = {}
    install(iphone)
    assert statuses(iphone) == {SHOP: "Managed"}


def test_a_status_that_was_not_asked_for_is_not_told_yet(server):
    iphone = phone(server, store=STORE)
    iphone.behaviour.installs = {SHOP: InstallCourse(ends="Failed")}
    install(iphone)
    others = iphone.answer_locally("ManagedApplicationList", Identifiers=["com.example.other"])
    assert others["ManagedApplicationList"] == {}
    assert statuses(iphone) == {SHOP: "Failed"}


@pytest.mark.parametrize(("ending", "told"), [("Failed", "Failed"), ("UserRejected", "UpdateRejected")])
def test_a_failed_update_leaves_the_version_that_was_there(server, ending, told):
    iphone = phone(server, store=STORE)
    install(iphone)
    iphone.store = {42: (SHOP, "Shop", "4.0")}
    iphone.behaviour.installs = {SHOP: InstallCourse(steps=1, ends=ending)}
    assert install(iphone) == ("Updating", None)
    iphone.pass_time()
    assert statuses(iphone) == {SHOP: told}
    assert statuses(iphone) == {SHOP: "Managed"}
    assert listed(iphone, SHOP)["Version"] == "3.0"


def test_a_refusal_can_be_an_error_with_its_reason(server):
    iphone, macbook = phone(server, store=STORE), mac(server, store=STORE)
    for device, reason in ((iphone, "AppStoreDisabled"), (macbook, "Other")):
        device.behaviour.installs = {SHOP: InstallCourse(refusal="AppStoreDisabled")}
        reply = device.reply("InstallApplication", iTunesStoreID=42)
        assert (reply.status, reply.response) == ("Error", {"RejectionReason": reason})
        assert reply.chain[0]["ErrorDomain"] == "MCMDMErrorDomain"
        assert (statuses(device), listed(device, SHOP)) == ({}, None)


def test_a_refusal_can_be_an_acknowledged_answer(server):
    iphone = phone(server, store=STORE)
    iphone.behaviour.installs = {SHOP: InstallCourse(refusal="NotSupported", refused_as="Failed")}
    assert install(iphone) == ("Failed", "NotSupported")
    assert (statuses(iphone), listed(iphone, SHOP)) == ({}, None)


def test_a_package_that_is_refused_is_an_error(server):
    macbook = mac(server)
    macbook.behaviour.installs = {APP: InstallCourse(refusal="Other")}
    reply = macbook.reply("InstallEnterpriseApplication", Manifest=manifest())
    assert (reply.status, reply.response) == ("Error", {})
    assert listed(macbook, APP) is None


def test_an_unmanaged_package_that_fails_just_never_arrives(server):
    macbook = mac(server)
    macbook.behaviour.installs = {APP: InstallCourse(steps=1, ends="Failed")}
    macbook.answer_locally("InstallEnterpriseApplication", Manifest=manifest())
    macbook.pass_time()
    assert (statuses(macbook), listed(macbook, APP)) == ({}, None)


def test_a_chance_is_taken_anew_by_each_install_and_alike_with_the_same_seed(server):
    def endings():
        iphone = phone(server)
        iphone.behaviour.installs = {ALL_APPS: InstallCourse(ends="Failed", chance=0.5)}
        for number in range(40):
            iphone.answer_locally("InstallApplication", iTunesStoreID=number)
        return statuses(iphone)

    first = endings()
    assert first == endings()
    assert 8 < sum(status == "Failed" for status in first.values()) < 32


# The App Store


@pytest.mark.parametrize("options", [{}, {"Options": {"PurchaseMethod": 0}}])
def test_a_free_app_is_installed_and_a_paid_one_needs_a_code(server, options):
    iphone = phone(server, store=STORE)
    iphone.paid = {7}
    assert install(iphone, **options) == ("Installing", None)
    answer = iphone.answer_locally("InstallApplication", iTunesStoreID=7, ManagementFlags=1, **options)
    assert answer == {"Identifier": "com.appstore.id7", "State": "NeedsRedemption"}
    assert statuses(iphone) == {SHOP: "Managed", "com.appstore.id7": "NeedsRedemption"}
    assert listed(iphone, "com.appstore.id7") is None
    iphone.answer_locally("ApplyRedemptionCode", Identifier="com.appstore.id7", RedemptionCode="X")
    row = iphone.answer_locally("ManagedApplicationList")["ManagedApplicationList"]["com.appstore.id7"]
    assert (row["Status"], row["ManagementFlags"]) == ("Managed", 1)
    assert iphone.code("ApplyRedemptionCode", Identifier="com.appstore.id7", RedemptionCode="X") == 12028


def test_a_paid_app_with_a_licence_needs_no_code(server):
    iphone = phone(server, store=STORE)
    iphone.paid = {SHOP}
    assert install(iphone, Options={"PurchaseMethod": 1}) == ("Installing", None)
    assert listed(iphone, SHOP)["DeviceBasedVPP"] is True


def test_an_app_of_the_store_can_be_named_by_its_bundle_identifier(server):
    iphone = phone(server, store=STORE)
    iphone.answer_locally("InstallApplication", Identifier=SHOP)
    assert (listed(iphone, SHOP)["Name"], listed(iphone, SHOP)["Version"]) == ("Shop", "3.0")


def test_an_unsupervised_iphone_asks_its_owner_and_one_without_an_account_for_a_login(server):
    iphone = phone(server, store=STORE, is_supervised=False)
    iphone.behaviour.installs = {ALL_APPS: InstallCourse(steps=1)}
    assert install(iphone) == ("Prompting", None)
    assert statuses(iphone) == {SHOP: "Prompting"}
    assert listed(iphone, SHOP) is None
    iphone.pass_time()
    assert statuses(iphone) == {SHOP: "Managed"}
    assert install(iphone) == ("PromptingForUpdate", None)
    iphone.pass_time()
    iphone.state.store_account_is_active = False
    assert install(iphone) == ("PromptingForUpdateLogin", None)
    iphone.answer_locally("RemoveApplication", Identifier=SHOP)
    assert install(iphone) == ("PromptingForLogin", None)
    queries = ["iTunesStoreAccountIsActive"]
    asked = iphone.answer_locally("DeviceInformation", Queries=queries)["QueryResponses"]
    assert asked == {"iTunesStoreAccountIsActive": False}


# Apps that are there already


def test_an_app_of_the_person_is_refused_unless_management_is_asked_for(server):
    iphone = phone(server, store=STORE)
    iphone.install_app_by_hand(SHOP, "Shop", "2.0")
    refused = iphone.reply("InstallApplication", iTunesStoreID=42)
    assert (refused.response, refused.chain[0]["ErrorCode"]) == ({"RejectionReason": "AppAlreadyInstalled"}, 12025)
    assert statuses(iphone) == {}
    assert install(iphone, ChangeManagementState="Managed") == ("Managed", None)
    assert statuses(iphone) == {SHOP: "Managed"}
    assert listed(iphone, SHOP)["Version"] == "2.0"


@pytest.mark.parametrize(("ending", "told", "afterwards"), [
    ("Managed", "Managed", {SHOP: "Managed"}), ("UserRejected", "ManagementRejected", {}),
])  # fmt: skip
def test_an_unsupervised_iphone_asks_before_an_app_becomes_managed(server, ending, told, afterwards):
    iphone = phone(server, store=STORE, is_supervised=False)
    iphone.install_app_by_hand(SHOP, "Shop", "2.0")
    iphone.behaviour.installs = {SHOP: InstallCourse(steps=1, ends=ending)}
    assert install(iphone, ChangeManagementState="Managed") == ("PromptingForManagement", None)
    assert statuses(iphone) == {SHOP: "PromptingForManagement"}
    assert iphone.code("RemoveApplication", Identifier=SHOP) == 12029
    iphone.pass_time()
    assert statuses(iphone) == {SHOP: told}
    assert statuses(iphone) == afterwards
    assert listed(iphone, SHOP)["Version"] == "2.0"


def test_a_user_enrollment_cannot_take_over_an_app():
    server = ReferenceServer()
    server.profile_overrides = {"EnrollmentMode": "BYOD"}
    iphone = phone(server, store=STORE, is_supervised=False)
    iphone.install_app_by_hand(SHOP)
    assert iphone.code("InstallApplication", iTunesStoreID=42, ChangeManagementState="Managed") == 12025


def test_a_mac_takes_over_an_app_only_with_both_keys(server):
    macbook = mac(server)
    macbook.install_app_by_hand(APP, "Example", "1.0")
    macbook.answer_locally("InstallEnterpriseApplication", Manifest=manifest(), InstallAsManaged=True)
    assert (statuses(macbook), listed(macbook, APP)["Version"]) == ({}, "2.1")
    take_over = {"InstallAsManaged": True, "ChangeManagementState": "Managed"}
    macbook.answer_locally("InstallEnterpriseApplication", Manifest=manifest(), **take_over)
    assert statuses(macbook) == {APP: "Managed"}
    macbook.answer_locally("InstallEnterpriseApplication", Manifest=manifest("2.2"), InstallAsManaged=True)
    assert statuses(macbook) == {APP: "Managed"}
    macbook.answer_locally("InstallEnterpriseApplication", Manifest=manifest("2.3"))
    assert (statuses(macbook), listed(macbook, APP)["Version"]) == ({}, "2.3")


def test_an_update_shows_the_old_version_until_it_is_done(server):
    iphone = phone(server)
    iphone.answer_locally("InstallApplication", ManifestURL=manifest_url(server, "2.1"))
    row = listed(iphone, APP)
    assert (row["Version"], row["ShortVersion"], row["AppStoreVendable"]) == ("2.1", "2.1", False)
    iphone.behaviour.installs = {APP: InstallCourse(steps=2)}
    answer = iphone.answer_locally("InstallApplication", ManifestURL=manifest_url(server, "2.2"))
    assert answer["State"] == "Updating"
    assert statuses(iphone) == {APP: "Updating"}
    assert (listed(iphone, APP)["Version"], listed(iphone, APP)["Installing"]) == ("2.1", True)
    iphone.pass_time(2)
    assert statuses(iphone) == {APP: "Managed"}
    updated = listed(iphone, APP)
    assert (updated["Version"], updated["ShortVersion"], updated["Installing"]) == ("2.2", "2.2", False)
    assert updated["ExternalVersionIdentifier"] != row["ExternalVersionIdentifier"]


# Packages


def test_a_package_brings_the_apps_that_are_in_it(server):
    macbook = mac(server)
    macbook.packages = {APP: (("com.example.one", "One", "1.1"), ("com.example.two", "Two", "1.2"))}
    macbook.behaviour.installs = {APP: InstallCourse(steps=1)}
    macbook.answer_locally("InstallEnterpriseApplication", Manifest=manifest(), InstallAsManaged=True)
    assert statuses(macbook) == {"com.example.one": "Installing", "com.example.two": "Installing"}
    macbook.pass_time()
    assert listed(macbook, "com.example.one")["Version"] == "1.1"
    assert listed(macbook, "com.example.two")["Name"] == "Two"
    assert listed(macbook, APP) is None
    assert statuses(macbook) == {"com.example.one": "Managed", "com.example.two": "Managed"}


def test_a_package_may_have_no_app_at_all(server):
    macbook = mac(server)
    macbook.packages = {APP: ()}
    before = dict(macbook.state.apps)
    macbook.answer_locally("InstallEnterpriseApplication", Manifest=manifest())
    assert macbook.state.apps == before


# The end of management, and a file in between


def test_only_apps_that_are_to_go_with_the_management_go(server):
    iphone = phone(server, store=STORE)
    install(iphone, ManagementFlags=1)
    iphone.answer_locally("InstallApplication", iTunesStoreID=1)
    iphone.behaviour.installs = {ALL_APPS: InstallCourse(steps=1)}
    iphone.answer_locally("InstallApplication", iTunesStoreID=2, ManagementFlags=1)
    iphone.forget_management()
    iphone.finish_installs()
    assert SHOP not in iphone.state.apps
    assert "com.appstore.id1" in iphone.state.apps
    assert "com.appstore.id2" not in iphone.state.apps
    iphone.enroll(server.url)
    assert statuses(iphone) == {}
    assert iphone.code("InstallApplication", iTunesStoreID=1) == 12025


def test_a_saved_device_goes_on_installing(server):
    iphone = phone(server, store=STORE)
    iphone.paid = {7}
    iphone.behaviour.installs = {SHOP: InstallCourse(steps=2, ends="Failed"), APP: InstallCourse(steps=2)}
    install(iphone)
    iphone.answer_locally("InstallApplication", ManifestURL=manifest_url(server))
    iphone.answer_locally("InstallApplication", iTunesStoreID=7)
    iphone.pass_time()
    data = plistlib.loads(plistlib.dumps(iphone.dump(), fmt=plistlib.FMT_BINARY))
    again = type(iphone).load(data, client=server.client())
    assert again.state == iphone.state
    assert statuses(again) == {SHOP: "Installing", APP: "Installing", "com.appstore.id7": "NeedsRedemption"}
    again.pass_time()
    again.answer_locally("ApplyRedemptionCode", Identifier="com.appstore.id7", RedemptionCode="X")
    assert statuses(again) == {SHOP: "Failed", APP: "Managed", "com.appstore.id7": "Managed"}
    assert listed(again, APP)["Version"] == "2.1"


def test_a_device_that_an_earlier_version_saved_still_has_its_managed_apps(server):
    iphone = phone(server, store=STORE)
    install(iphone)
    data = iphone.dump()
    del data["state"]["managed_apps"][SHOP]["WasManaged"], data["state"]["installs"], data["state"]["redemptions"]
    again = type(iphone).load(data, client=server.client())
    again.store = STORE
    assert install(again) == ("Updating", None)
    assert statuses(again) == {SHOP: "Managed"}
