"""Apps that a device has before anybody manages it."""

import random
import zlib
from typing import Any

from mdm.virtual.catalogue import Platform

# bundle identifier, name, short version, megabytes
IOS_APPS = (
    ("com.microsoft.Office.Outlook", "Outlook", "4.2519.0", 345),
    ("com.microsoft.skype.teams", "Teams", "7.9.2", 310),
    ("com.microsoft.Office.Word", "Word", "2.98", 290),
    ("com.microsoft.Office.Excel", "Excel", "2.98", 300),
    ("com.microsoft.azureauthenticator", "Authenticator", "6.8.21", 110),
    ("com.google.Gmail", "Gmail", "6.0.250511", 260),
    ("com.google.chrome.ios", "Chrome", "137.0.7151", 190),
    ("com.google.Maps", "Google Maps", "25.21.0", 240),
    ("com.google.Drive", "Drive", "4.2522", 180),
    ("com.tinyspeck.chatlyio", "Slack", "25.06.10", 170),
    ("us.zoom.videomeetings", "Zoom Workplace", "6.4.12", 220),
    ("com.cisco.anyconnect", "Cisco Secure Client", "5.1.10", 30),
    ("com.agilebits.onepassword-ios", "1Password", "8.10.80", 140),
    ("com.apple.Keynote", "Keynote", "14.4", 520),
    ("com.apple.Pages", "Pages", "14.4", 480),
    ("com.apple.Numbers", "Numbers", "14.4", 470),
    ("com.getdropbox.Dropbox", "Dropbox", "432.2", 200),
    ("com.spotify.client", "Spotify", "9.0.54", 230),
    ("net.whatsapp.WhatsApp", "WhatsApp", "25.16.81", 150),
    ("org.whispersystems.signal", "Signal", "7.62", 120),
    ("com.adobe.Adobe-Reader", "Acrobat Reader", "25.06.00", 310),
    ("com.linkedin.LinkedIn", "LinkedIn", "9.30.8", 280),
    ("de.hafas.dbnavigator", "DB Navigator", "25.10.0", 95),
    ("com.atlassian.jira.app", "Jira", "142.1", 130),
    ("notion.id", "Notion", "1.7.140", 160),
    ("org.videolan.vlc-ios", "VLC", "3.6.4", 75),
    ("com.github.stormbreaker.prod", "GitHub", "1.216", 90),
    ("com.duolingo.DuolingoMobile", "Duolingo", "7.75.0", 140),
    ("org.wikimedia.wikipedia", "Wikipedia", "7.7.6", 70),
    ("com.sonos.SonosController2", "Sonos", "80.21", 210),
)
MAC_APPS = (
    ("com.apple.Safari", "Safari", "18.5", 14),
    ("com.apple.mail", "Mail", "16.0", 25),
    ("com.apple.iCal", "Calendar", "15.0", 18),
    ("com.apple.Preview", "Preview", "11.0", 10),
    ("com.apple.TextEdit", "TextEdit", "1.20", 2),
    ("com.apple.Terminal", "Terminal", "2.14", 10),
    ("com.apple.systempreferences", "System Settings", "15.0", 6),
    ("com.apple.ActivityMonitor", "Activity Monitor", "10.14", 9),
    ("com.apple.calculator", "Calculator", "11.0", 4),
    ("com.apple.Photos", "Photos", "10.0", 40),
    ("com.apple.Music", "Music", "1.5.5", 90),
    ("com.apple.FaceTime", "FaceTime", "36", 15),
    ("com.apple.iWork.Keynote", "Keynote", "14.4", 610),
    ("com.apple.iWork.Pages", "Pages", "14.4", 560),
    ("com.apple.iWork.Numbers", "Numbers", "14.4", 540),
    ("com.microsoft.Outlook", "Microsoft Outlook", "16.97", 2300),
    ("com.microsoft.Word", "Microsoft Word", "16.97", 2250),
    ("com.microsoft.Excel", "Microsoft Excel", "16.97", 2100),
    ("com.microsoft.Powerpoint", "Microsoft PowerPoint", "16.97", 1900),
    ("com.microsoft.teams2", "Microsoft Teams", "25122.1207", 1100),
    ("com.microsoft.edgemac", "Microsoft Edge", "137.0.3296.52", 900),
    ("com.google.Chrome", "Google Chrome", "137.0.7151.55", 1200),
    ("org.mozilla.firefox", "Firefox", "139.0.1", 400),
    ("com.tinyspeck.slackmacgap", "Slack", "4.44.60", 480),
    ("us.zoom.xos", "zoom.us", "6.4.12", 320),
    ("com.1password.1password", "1Password", "8.10.80", 420),
    ("com.microsoft.VSCode", "Visual Studio Code", "1.100.3", 650),
    ("com.docker.docker", "Docker", "4.42.0", 2000),
    ("com.adobe.Reader", "Adobe Acrobat Reader", "25.001.20521", 950),
    ("com.figma.Desktop", "Figma", "125.5.5", 430),
    ("com.spotify.client", "Spotify", "1.2.65", 340),
    ("org.videolan.vlc", "VLC", "3.0.21", 150),
    ("com.apple.dt.Xcode", "Xcode", "16.4", 11000),
    ("com.googlecode.iterm2", "iTerm2", "3.5.14", 95),
    ("com.apple.RemoteDesktop", "Remote Desktop", "3.9.8", 40),
)


def first_apps(platform: Platform, rng: random.Random) -> dict[str, dict[str, Any]]:
    """10 to 30 apps for iPhones and iPads (third-party only, as they report), 20 to 35 for Macs."""
    names, least = (IOS_APPS, 10) if platform == "ios" else (MAC_APPS, 20)
    chosen = rng.sample(names, rng.randint(least, len(names)))
    rows = [app_row(platform, *app, external_version=rng.randrange(8 * 10**8, 9 * 10**8)) for app in chosen]
    return {row["Identifier"]: row for row in rows}


def app_row(
    platform: Platform, identifier: str, name: str, version: str, megabytes: int, *, external_version: int
) -> dict[str, Any]:
    """One InstalledApplicationList item with the keys that the platform reports."""
    row = {
        "Identifier": identifier,
        "Name": name,
        "Version": version,
        "ShortVersion": version,
        "BundleSize": megabytes * 1_000_000,
        "Installing": False,
        "DownloadFailed": False,
        "DownloadWaiting": False,
        "DownloadPaused": False,
        "DownloadCancelled": False,
        "ExternalVersionIdentifier": external_version,
    }
    if platform == "macos":
        return row
    return row | {
        "DynamicSize": megabytes * 150_000,
        "IsValidated": True,
        "AppStoreVendable": True,
        "DeviceBasedVPP": False,
        "BetaApp": False,
        "AdHocCodeSigned": False,
        "HasUpdateAvailable": False,
        "IsAppClip": False,
    }


def external_version(identifier: str, version: str) -> int:
    """The App Store's number of this version of an app, invented but always the same."""
    return 800_000_000 + zlib.crc32(f"{identifier} {version}".encode()) % 99_999_999
