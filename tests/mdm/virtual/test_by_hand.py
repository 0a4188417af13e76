"""What people do to their devices behind the server's back."""

import plistlib

import pytest

from mdm.virtual.errors import BadProfile
from mdm.virtual.installing import InstallCourse
from tests.mdm.virtual.local_device import mac, phone
from tests.mdm.virtual.reference_server import ReferenceServer
from tests.mdm.virtual.sample_commands import plain_profile
from tests.mdm.virtual.test_installing import SHOP, STORE, install, listed, statuses

WIFI = "com.example.wifi"


@pytest.fixture
def server():
    return ReferenceServer()


def profiles(device, user=None):
    """Identifier → UUID, as ProfileList tells."""
    rows = device.answer_locally("ProfileList", user)["ProfileList"]
    return {row["PayloadIdentifier"]: row["PayloadUUID"] for row in rows}


def edition(uuid, identifier=WIFI):
    return plistlib.dumps(plistlib.loads(plain_profile(identifier)) | {"PayloadUUID": uuid})


# Apps


def test_a_managed_app_that_the_person_deletes_is_managed_but_uninstalled(server):
    iphone = phone(server, store=STORE)
    install(iphone)
    iphone.remove_app(SHOP)
    assert listed(iphone, SHOP) is None
    assert statuses(iphone) == {SHOP: "ManagedButUninstalled"}
    assert statuses(iphone) == {SHOP: "ManagedButUninstalled"}
    assert install(iphone) == ("Installing", None)
    assert statuses(iphone) == {SHOP: "Managed"}
    iphone.remove_app(SHOP)
    iphone.answer_locally("RemoveApplication", Identifier=SHOP)
    assert statuses(iphone) == {}


def test_putting_a_deleted_managed_app_back_makes_it_managed_again(server):
    iphone = phone(server, store=STORE)
    install(iphone)
    iphone.remove_app(SHOP)
    iphone.install_app_by_hand(SHOP, "Shop", "3.5")
    assert statuses(iphone) == {SHOP: "Managed"}
    assert listed(iphone, SHOP)["Version"] == "3.5"


def test_deleting_an_app_while_it_is_updated_ends_the_update(server):
    iphone = phone(server, store=STORE)
    install(iphone)
    iphone.behaviour.installs = {SHOP: InstallCourse(steps=1)}
    install(iphone)
    iphone.remove_app(SHOP)
    iphone.pass_time()
    assert listed(iphone, SHOP) is None
    assert statuses(iphone) == {SHOP: "ManagedButUninstalled"}


def test_an_unmanaged_app_comes_and_goes_without_the_managed_list(server):
    for device in (phone(server), mac(server)):
        device.install_app_by_hand(SHOP)
        assert (listed(device, SHOP)["Name"], listed(device, SHOP)["Version"]) == ("Shop", "1.0")
        assert device.code("RemoveApplication", Identifier=SHOP) == 12029
        device.remove_app(SHOP)
        assert (listed(device, SHOP), statuses(device)) == (None, {})
        with pytest.raises(ValueError, match="not on the device"):
            device.remove_app(SHOP)


def test_an_app_that_must_not_be_removed_stays(server):
    iphone = phone(server, store=STORE)
    install(iphone, Attributes={"Removable": False})
    with pytest.raises(ValueError, match="not removable"):
        iphone.remove_app(SHOP)
    assert statuses(iphone) == {SHOP: "Managed"}


@pytest.mark.parametrize("is_paid", [False, True])
def test_a_person_who_is_faster_than_the_managed_install_is_told_once(server, is_paid):
    iphone = phone(server, store=STORE, is_supervised=False)
    iphone.paid = {42} if is_paid else set()
    iphone.behaviour.installs = {SHOP: InstallCourse(steps=5)}
    assert install(iphone)[0] == ("NeedsRedemption" if is_paid else "Prompting")
    iphone.install_app_by_hand(SHOP, "Shop", "2.9")
    assert statuses(iphone) == {SHOP: "UserInstalledApp"}
    assert statuses(iphone) == {}
    iphone.finish_installs()
    assert listed(iphone, SHOP)["Version"] == "2.9"
    asked = iphone.answer_locally("InstalledApplicationList", ManagedAppsOnly=True)
    assert asked["InstalledApplicationList"] == []
    assert iphone.code("ApplyRedemptionCode", Identifier=SHOP, RedemptionCode="X") == 12028


def test_after_a_failed_install_the_person_may_install_the_app(server):
    iphone = phone(server, store=STORE)
    iphone.behaviour.installs = {SHOP: InstallCourse(ends="Failed")}
    install(iphone)
    iphone.install_app_by_hand(SHOP)
    assert statuses(iphone) == {SHOP: "Failed"}
    assert statuses(iphone) == {}
    assert listed(iphone, SHOP)["Version"] == "1.0"


def test_a_persons_own_app_outlives_the_management_it_nearly_had(server):
    iphone = phone(server, store=STORE, is_supervised=False)
    iphone.behaviour.installs = {SHOP: InstallCourse(steps=5)}
    install(iphone, ManagementFlags=1)
    iphone.install_app_by_hand(SHOP)
    iphone.forget_management()
    assert SHOP in iphone.state.apps


def test_an_update_by_hand_changes_the_version_and_not_the_management(server):
    iphone = phone(server, store=STORE)
    install(iphone)
    before = listed(iphone, SHOP)
    iphone.update_app_by_hand(SHOP, "9.9")
    row = listed(iphone, SHOP)
    assert (row["Version"], row["ShortVersion"]) == ("9.9", "9.9")
    managed = iphone.answer_locally("ManagedApplicationList")["ManagedApplicationList"][SHOP]
    assert managed["Status"] == "Managed"
    assert managed["ExternalVersionIdentifier"] == row["ExternalVersionIdentifier"]
    assert row["ExternalVersionIdentifier"] != before["ExternalVersionIdentifier"]
    with pytest.raises(ValueError, match="not on the device"):
        iphone.update_app_by_hand("com.example.absent", "1")


def test_an_apps_feedback_is_announced_told_and_deleted(server):
    iphone = phone(server, store=STORE)
    install(iphone)

    def is_announced():
        return iphone.answer_locally("ManagedApplicationList")["ManagedApplicationList"][SHOP]["HasFeedback"]

    assert is_announced() is False
    iphone.set_feedback(SHOP, {"state": "ready", "count": 3})
    assert is_announced() is True
    asked = iphone.answer_locally("ManagedApplicationFeedback", Identifiers=[SHOP], DeleteFeedback=True)
    feedback = {"state": "ready", "count": 3}
    assert asked["ManagedApplicationFeedback"] == [{"Identifier": SHOP, "Feedback": feedback}]
    assert is_announced() is False
    with pytest.raises(ValueError, match="managed app"):
        iphone.set_feedback("com.example.absent", {"a": 1})


# Profiles


@pytest.mark.parametrize("user", [None, "jane"])
def test_a_profile_taken_off_by_hand_is_gone_from_its_own_list_only(server, user):
    macbook = mac(server)
    for scope in (None, "jane"):
        macbook.answer_locally("InstallProfile", scope, Payload=plain_profile())
    macbook.remove_profile_by_hand(WIFI, user)
    assert WIFI not in profiles(macbook, user)
    assert WIFI in profiles(macbook, None if user else "jane")
    with pytest.raises(ValueError, match="not on the device"):
        macbook.remove_profile_by_hand(WIFI, user)


def test_a_profile_opened_by_hand_is_listed_but_not_managed(server):
    iphone = phone(server)
    iphone.install_profile_by_hand(plain_profile())
    rows = {row["PayloadIdentifier"]: row for row in iphone.answer_locally("ProfileList")["ProfileList"]}
    assert rows[WIFI]["IsManaged"] is False
    managed = iphone.answer_locally("ProfileList", ManagedOnly=True)["ProfileList"]
    assert WIFI not in {row["PayloadIdentifier"] for row in managed}
    assert iphone.code("RemoveProfile", Identifier=WIFI) == 12013
    macbook = mac(server)
    macbook.install_profile_by_hand(plain_profile(), "jane")
    assert WIFI in profiles(macbook, "jane")
    assert WIFI not in profiles(macbook)


def test_a_profile_with_the_same_identifier_replaces_the_former_one(server):
    iphone = phone(server)
    iphone.answer_locally("InstallProfile", Payload=edition("first"))
    assert profiles(iphone)[WIFI] == "first"
    iphone.answer_locally("InstallProfile", Payload=edition("second"))
    assert profiles(iphone)[WIFI] == "second"
    iphone.install_profile_by_hand(edition("third"))
    assert profiles(iphone)[WIFI] == "third"
    assert len(profiles(iphone)) == 2


def test_management_is_no_profile_to_be_opened_by_hand(server):
    with pytest.raises(BadProfile, match="enroll"):
        phone(server).install_profile_by_hand(plain_profile("other", {"PayloadType": "com.apple.mdm"}))


def test_taking_off_the_enrollment_profile_ends_the_management(server):
    iphone = phone(server)
    iphone.remove_profile_by_hand("test.enrollment")
    assert not iphone.is_enrolled
    assert [row["message"]["MessageType"] for row in server.checkins][-1] == "CheckOut"
