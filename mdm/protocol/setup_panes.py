"""Every pane of Setup Assistant that an enrollment profile can skip. Source: Apple, "SkipKeys".

A pane stands under the platforms that show it, with the OS version from which it can be skipped there. A device passes over
keys that it does not know, so a list may be made for devices of several platforms at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mdm.common.marking import marked as _

PLATFORMS = ("iOS", "macOS", "tvOS", "visionOS")


@dataclass(frozen=True)
class Pane:
    """since: platform → the first OS version that knows the key. until: platform → the version that no longer shows it.

    not_always: platforms that may show it before they have asked Apple for the profile, and then it is not skipped.
    """

    key: str
    label: str
    since: Mapping[str, str]
    until: Mapping[str, str] = field(default_factory=dict)
    not_always: frozenset[str] = frozenset()


# What Apple gives for a key without a version of its own.
_FIRST = {"ios": "7.0", "macos": "10.9", "tvos": "10.2", "visionos": "26.0"}
_NAMES = dict(zip(_FIRST, PLATFORMS, strict=True))


def _on(**versions: str) -> dict[str, str]:
    return {_NAMES[platform]: version for platform, version in versions.items()}


def _pane(key: str, label: str, *, until: Mapping[str, str] | None = None, not_always: str = "", **since: str) -> Pane:
    """since: `ios="13.0"` and so on; `until` as `_on` makes it; not_always: names of platforms, parted by spaces."""
    late = frozenset(_NAMES[platform] for platform in not_always.split())
    return Pane(key, label, _on(**since), until or {}, late)


PANES: dict[str, Pane] = {
    pane.key: pane
    for pane in (
        _pane("Accessibility", _("Accessibility, when further users sign in"), macos="11.0", not_always="macos"),
        _pane("AccessibilityAppearance", _("Size and contrast of text"), ios="17.0"),
        _pane("ActionButton", _("Action button"), ios="17.0"),
        _pane("Android", _("Moving from Android, within the restore pane"), ios="9.0"),
        _pane("Appearance", _("Light or dark look"), ios="13.0", macos="10.14"),
        _pane("AppleID", _("Signing in with an Apple Account"), **_FIRST),
        _pane("AppStore", _("App Store"), ios="14.3", macos="11.1"),
        _pane("Biometric", _("Face ID, Touch ID or Optic ID"), ios="8.1", macos="10.12.4", visionos="26.0"),
        _pane("CameraButton", _("Camera Control"), ios="18.0"),
        _pane("DeviceToDeviceMigration", _("Moving from another iPhone or iPad"), ios="12.4"),
        _pane("Diagnostics", _("Sharing of analytics"), **_FIRST),
        _pane("DisplayTone", _("True Tone"), until=_on(ios="15.0", macos="12.0"), ios="9.3.2", macos="10.13.6"),
        _pane("EnableLockdownMode", _("Lockdown Mode"), ios="17.1", macos="14.0"),
        _pane("FileVault", _("FileVault"), macos="10.10"),
        _pane("HomeButtonSensitivity", _("Feel of the home button"), until=_on(ios="15.0"), ios="10.0"),
        _pane("iCloudDiagnostics", _("iCloud analytics"), macos="10.12.4"),
        _pane("iCloudStorage", _("Documents and desktop in iCloud"), macos="10.13.4"),
        _pane("iMessageAndFaceTime", _("iMessage and FaceTime"), ios="12.0"),
        _pane("Intelligence", _("Apple Intelligence"), ios="18.0", macos="15.0", visionos="26.0"),
        _pane("Keyboard", _("Keyboards"), ios="13.0", not_always="ios"),
        _pane("LiquidGlass", _("Liquid Glass"), ios="27.0", macos="27.0"),
        _pane("Location", _("Location services"), ios="7.0", macos="10.11", tvos="10.2", visionos="26.0"),
        _pane("MessagingActivationUsingPhoneNumber", _("iMessage with the phone number"), ios="10.0"),
        _pane("Multitasking", _("Multitasking"), ios="26.0"),
        _pane("OnBoarding", _("Gestures for newcomers"), until=_on(ios="14.0"), ios="11.0"),
        _pane("OSShowcase", _("What is new in the system"), ios="26.0", macos="26.1"),
        _pane("Passcode", _("Setting a passcode"), ios="7.0", macos="10.9", visionos="26.0"),
        _pane("Payment", _("Apple Pay"), ios="8.1", macos="10.12.4", visionos="26.0"),
        _pane("Privacy", _("Data and privacy"), ios="11.3", macos="10.13.4", tvos="11.3", visionos="26.0"),
        _pane("Restore", _("Restoring from a backup"), ios="7.0", macos="10.9"),
        _pane("RestoreCompleted", _("Restore completed"), ios="14.0"),
        _pane("ScreenSaver", _("Aerial screen savers"), tvos="10.2"),
        _pane("Safety", _("Emergency calls and safety"), ios="16.0"),
        _pane("SafetyAndHandling", _("Safety and handling"), ios="18.4", not_always="ios"),
        _pane("ScreenTime", _("Screen Time"), ios="12.0", macos="10.15", visionos="26.0"),
        _pane("SIMSetup", _("Cellular plans (also stops automatic eSIMs)"), ios="12.0"),
        _pane("Siri", _("Siri"), ios="7.0", macos="10.12", tvos="10.2", visionos="26.0"),
        _pane("SoftwareUpdate", _("Automatic updates"), ios="12.0", macos="15.4", visionos="26.0"),
        _pane("SpokenLanguage", _("Dictation"), ios="13.0", not_always="ios"),
        _pane("TapToSetup", _("Set up with an iPhone nearby"), tvos="10.2", not_always="tvos"),
        _pane("TermsOfAddress", _("Terms of address"), ios="16.0", macos="13.0", not_always="ios macos"),
        _pane("Tips", _("Tips"), visionos="26.0"),
        _pane("TOS", _("Terms and conditions"), **_FIRST),
        _pane("TVHomeScreenSync", _("Same home screen on all Apple TVs"), tvos="11.0"),
        _pane("TVProviderSignIn", _("Signing in to a TV provider"), tvos="11.0"),
        _pane("TVRoom", _("Room of the Apple TV"), tvos="11.4"),
        _pane("UnlockWithWatch", _("Unlocking with an Apple Watch"), macos="15.0"),
        _pane("UpdateCompleted", _("Update completed"), ios="14.0", macos="26.1"),
        _pane("Wallpaper", _("Wallpaper"), until=_on(macos="26.0"), macos="14.1"),
        _pane("WatchMigration", _("Moving an Apple Watch"), ios="11.0"),
        _pane("WebContentFiltering", _("Filtering of web content"), until=_on(ios="26.1"), ios="18.2"),
        _pane("Welcome", _("Get started"), ios="13.0", macos="15.0", visionos="26.0"),
        _pane("Zoom", _("Display zoom"), until=_on(ios="17.0"), ios="8.3", visionos="26.0"),
    )
}


def panes_of(platform: str) -> list[Pane]:
    """By their labels."""
    return sorted((pane for pane in PANES.values() if platform in pane.since), key=lambda pane: pane.label.lower())
