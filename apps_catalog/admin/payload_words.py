"""Kinds of payload as people call them. What is not named here is shown by its PayloadType."""

from collections.abc import Iterable

from django.utils.translation import gettext as translate
from django.utils.translation import gettext_lazy as _

PAYLOAD_WORDS = {
    ".GlobalPreferences": _("Preferences of all apps"),
    "com.apple.ADCertificate.managed": _("Active Directory certificate"),
    "com.apple.AssetCache.managed": _("Content caching"),
    "com.apple.DirectoryService.managed": _("Directory service"),
    "com.apple.MCX": _("Managed preferences"),
    "com.apple.MCX.FileVault2": _("FileVault"),
    "com.apple.MCX.TimeMachine": _("Time Machine"),
    "com.apple.ManagedClient.preferences": _("App preferences"),
    "com.apple.NSExtension": _("Extensions"),
    "com.apple.SetupAssistant.managed": _("Setup Assistant"),
    "com.apple.SoftwareUpdate": _("Software update"),
    "com.apple.SystemConfiguration": _("Proxies of the Mac"),
    "com.apple.TCC.configuration-profile-policy": _("Privacy preferences (PPPC)"),
    "com.apple.airplay": _("AirPlay"),
    "com.apple.airplay.security": _("AirPlay security"),
    "com.apple.airprint": _("AirPrint"),
    "com.apple.apn.managed": _("Access point name (APN)"),
    "com.apple.app.lock": _("Single App Mode"),
    "com.apple.applicationaccess": _("Restrictions"),
    "com.apple.applicationaccess.new": _("App restrictions"),
    "com.apple.appstore": _("App Store"),
    "com.apple.asam": _("Autonomous Single App Mode"),
    "com.apple.associated-domains": _("Associated domains"),
    "com.apple.caldav.account": _("Calendar account"),
    "com.apple.carddav.account": _("Contacts account"),
    "com.apple.cellular": _("Cellular"),
    "com.apple.cellularprivatenetwork.managed": _("Private cellular network"),
    "com.apple.conferenceroomdisplay": _("Conference Room Display"),
    "com.apple.configurationprofile.identification": _("User identification"),
    "com.apple.declarations": _("Declarations"),
    "com.apple.desktop": _("Desktop"),
    "com.apple.dnsProxy.managed": _("DNS proxy"),
    "com.apple.dnsSettings.managed": _("Encrypted DNS"),
    "com.apple.dock": _("Dock"),
    "com.apple.domains": _("Domains"),
    "com.apple.eas.account": _("Exchange ActiveSync"),
    "com.apple.education": _("Education"),
    "com.apple.ews.account": _("Exchange account"),
    "com.apple.extensiblesso": _("Single sign-on extension"),
    "com.apple.familycontrols.contentfilter": _("Parental content filter"),
    "com.apple.finder": _("Finder"),
    "com.apple.firstactiveethernet.managed": _("Ethernet (802.1X)"),
    "com.apple.firstethernet.managed": _("Ethernet (802.1X)"),
    "com.apple.font": _("Font"),
    "com.apple.globalethernet.managed": _("Ethernet (802.1X)"),
    "com.apple.google-oauth": _("Google account"),
    "com.apple.homescreenlayout": _("Home Screen layout"),
    "com.apple.ldap.account": _("LDAP account"),
    "com.apple.loginitems.managed": _("Login items"),
    "com.apple.loginwindow": _("Login window"),
    "com.apple.mail.managed": _("Mail account"),
    "com.apple.mcxprinting": _("Printing"),
    "com.apple.mobiledevice.passwordpolicy": _("Passcode"),
    "com.apple.networkusagerules": _("Network usage rules"),
    "com.apple.notificationsettings": _("Notifications"),
    "com.apple.preference.security": _("Security preferences"),
    "com.apple.profileRemovalPassword": _("Removal password"),
    "com.apple.proxy.http.global": _("Global HTTP proxy"),
    "com.apple.relay.managed": _("Network relay"),
    "com.apple.screensaver": _("Screen saver"),
    "com.apple.screensaver.user": _("Screen saver"),
    "com.apple.security.FDERecoveryKeyEscrow": _("FileVault key escrow"),
    "com.apple.security.acme": _("ACME certificate"),
    "com.apple.security.certificatepreference": _("Certificate preference"),
    "com.apple.security.certificaterevocation": _("Certificate revocation"),
    "com.apple.security.certificatetransparency": _("Certificate transparency"),
    "com.apple.security.firewall": _("Firewall"),
    "com.apple.security.identitypreference": _("Identity preference"),
    "com.apple.security.pem": _("Certificate"),
    "com.apple.security.pkcs1": _("Certificate"),
    "com.apple.security.pkcs12": _("Certificate with key"),
    "com.apple.security.root": _("Root certificate"),
    "com.apple.security.scep": _("SCEP certificate"),
    "com.apple.security.smartcard": _("Smart card"),
    "com.apple.servicemanagement": _("Background items"),
    "com.apple.shareddeviceconfiguration": _("Lock screen message"),
    "com.apple.sso": _("Single sign-on"),
    "com.apple.subscribedcalendar.account": _("Subscribed calendar"),
    "com.apple.syspolicy.kernel-extension-policy": _("Kernel extensions"),
    "com.apple.system-extension-policy": _("System extensions"),
    "com.apple.system.logging": _("System logging"),
    "com.apple.systempolicy.control": _("Gatekeeper"),
    "com.apple.systempolicy.managed": _("Gatekeeper"),
    "com.apple.systempolicy.rule": _("Gatekeeper rule"),
    "com.apple.systempreferences": _("System Settings"),
    "com.apple.tvremote": _("TV Remote"),
    "com.apple.universalaccess": _("Accessibility"),
    "com.apple.vpn.managed": _("VPN"),
    "com.apple.vpn.managed.applayer": _("Per-app VPN"),
    "com.apple.vpn.managed.appmapping": _("Per-app VPN mapping"),
    "com.apple.webClip.managed": _("Web clip"),
    "com.apple.webcontent-filter": _("Web content filter"),
    "com.apple.wifi.managed": _("Wi-Fi"),
    "com.apple.xsan": _("Xsan"),
    "loginwindow": _("Login items"),
}
SHOWN = 3


def payload_word(payload_type: str) -> str:
    return str(PAYLOAD_WORDS.get(payload_type, payload_type))


def payload_words(payload_types: Iterable[str]) -> list[str]:
    """Each kind once, in the order of the payloads."""
    return list(dict.fromkeys(payload_word(one) for one in payload_types))


def in_short(payload_types: Iterable[str]) -> str:
    """ "Wi-Fi, Certificate and 3 more"."""
    words = payload_words(payload_types)
    shown = ", ".join(words[:SHOWN])
    if len(words) <= SHOWN:
        return shown
    return translate("%(some)s and %(number)s more") % {"some": shown, "number": len(words) - SHOWN}
