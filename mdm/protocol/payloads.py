"""Which payload types there are in profiles, and the platforms that take them. Source: Apple, profile payload keys."""

from collections.abc import Iterable

IOS, MAC, TV, VISION, WATCH = "iOS", "macOS", "tvOS", "visionOS", "watchOS"

# Platforms → the types that are for just these.
_TYPES = {
    (IOS,): """
        com.apple.apn.managed
        com.apple.cellularprivatenetwork.managed
        com.apple.networkusagerules
        com.apple.osxserver.account
        com.apple.shareddeviceconfiguration
        com.apple.sso
    """,
    (MAC,): """
        .GlobalPreferences
        com.apple.ADCertificate.managed
        com.apple.AIM.account
        com.apple.AssetCache.managed
        com.apple.Dictionary
        com.apple.DirectoryService.managed
        com.apple.DiscRecording
        com.apple.MCX
        com.apple.MCX.FileVault2
        com.apple.MCX.TimeMachine
        com.apple.ManagedClient.preferences
        com.apple.NSExtension
        com.apple.ShareKitHelper
        com.apple.SoftwareUpdate
        com.apple.SystemConfiguration
        com.apple.TCC.configuration-profile-policy
        com.apple.applicationaccess.new
        com.apple.appstore
        com.apple.asam
        com.apple.associated-domains
        com.apple.configurationprofile.identification
        com.apple.dashboard
        com.apple.desktop
        com.apple.dock
        com.apple.ews.account
        com.apple.familycontrols.contentfilter
        com.apple.familycontrols.timelimits.v2
        com.apple.fileproviderd
        com.apple.finder
        com.apple.firstactiveethernet.managed
        com.apple.firstethernet.managed
        com.apple.gamed
        com.apple.ironwood.support
        com.apple.jabber.account
        com.apple.loginitems.managed
        com.apple.loginwindow
        com.apple.lom
        com.apple.mcxMenuExtras
        com.apple.mcxloginscripts
        com.apple.mcxprinting
        com.apple.preference.security
        com.apple.preference.users
        com.apple.screensaver
        com.apple.screensaver.user
        com.apple.secondactiveethernet.managed
        com.apple.secondethernet.managed
        com.apple.security.FDERecoveryKeyEscrow
        com.apple.security.FDERecoveryRedirect
        com.apple.security.certificatepreference
        com.apple.security.firewall
        com.apple.security.identitypreference
        com.apple.security.smartcard
        com.apple.servicemanagement
        com.apple.syspolicy.kernel-extension-policy
        com.apple.system-extension-policy
        com.apple.system.logging
        com.apple.systemmigration
        com.apple.systempolicy.control
        com.apple.systempolicy.managed
        com.apple.systempolicy.rule
        com.apple.systempreferences
        com.apple.systemuiserver
        com.apple.thirdactiveethernet.managed
        com.apple.thirdethernet.managed
        com.apple.universalaccess
        com.apple.vpn.managed.appmapping
        com.apple.xsan
        com.apple.xsan.preferences
        loginwindow
    """,
    (TV,): """
        com.apple.airplay.security
        com.apple.conferenceroomdisplay
    """,
    (IOS, MAC): """
        com.apple.SetupAssistant.managed
        com.apple.airplay
        com.apple.education
        com.apple.notificationsettings
        com.apple.webClip.managed
    """,
    (IOS, TV): """
        com.apple.app.lock
        com.apple.homescreenlayout
        com.apple.tvremote
    """,
    (IOS, VISION): """
        com.apple.eas.account
        com.apple.google-oauth
        com.apple.security.certificaterevocation
        com.apple.subscribedcalendar.account
    """,
    (IOS, WATCH): """
        com.apple.cellular
    """,
    (IOS, MAC, TV): """
        com.apple.globalethernet.managed
        com.apple.profileRemovalPassword
    """,
    (IOS, MAC, VISION): """
        com.apple.airprint
        com.apple.caldav.account
        com.apple.carddav.account
        com.apple.dnsProxy.managed
        com.apple.dnsSettings.managed
        com.apple.domains
        com.apple.extensiblesso
        com.apple.font
        com.apple.ldap.account
        com.apple.mail.managed
        com.apple.webcontent-filter
    """,
    (IOS, MAC, TV, VISION): """
        com.apple.proxy.http.global
        com.apple.relay.managed
        com.apple.vpn.managed
    """,
    (IOS, MAC, VISION, WATCH): """
        com.apple.mobiledevice.passwordpolicy
        com.apple.vpn.managed.applayer
    """,
    (IOS, MAC, TV, VISION, WATCH): """
        com.apple.applicationaccess
        com.apple.declarations
        com.apple.mdm
        com.apple.security.acme
        com.apple.security.certificatetransparency
        com.apple.security.pem
        com.apple.security.pkcs1
        com.apple.security.pkcs12
        com.apple.security.root
        com.apple.security.scep
        com.apple.wifi.managed
    """,
}
# Described, but without a word about where.
WITHOUT_PLATFORM = frozenset({"com.apple.security.wapi-identity"})
PLATFORMS: dict[str, frozenset[str]] = {
    name: frozenset(platforms) for platforms, names in _TYPES.items() for name in names.split()
}


def is_known(payload_type: str) -> bool:
    return payload_type in PLATFORMS or payload_type in WITHOUT_PLATFORM


def is_for(payload_types: Iterable[str], platform: str) -> bool:
    """Whether at least one of the payloads means something there; a type that is not known may mean something anywhere."""
    return any(platform in PLATFORMS.get(one, (platform,)) for one in payload_types)
