"""Attributes of a managed app, set at installation or later through Settings."""

from mdm.common.marking import marked as _
from mdm.protocol.request_types.schema import Parameter
from mdm.protocol.request_types.vocabulary import SAME, array, boolean, on, only, string

APP_ATTRIBUTES: tuple[Parameter, ...] = (
    string("VPNUUID", platforms=only(ios=SAME, visionos=SAME, watchos=SAME)),
    string("ContentFilterUUID", platforms=only(ios="16.0", visionos=SAME)),
    string("DNSProxyUUID", platforms=only(ios="16.0", visionos=SAME)),
    string("RelayUUID", platforms=only(ios="17.0", visionos=SAME)),
    array("AssociatedDomains", string("AssociatedDomain"), platforms=only(ios="13.0", visionos=SAME, watchos=SAME)),
    boolean(
        "AssociatedDomainsEnableDirectDownloads",
        default=False,
        platforms=only(ios="14.0", visionos=SAME, watchos=SAME),
        help=_("Check domains directly; for sites that are not on the internet."),
    ),
    boolean(
        "Removable", default=True, platforms=on(ios="14.0", tvos="14.0"), help=_("Off: the user cannot delete the app.")
    ),
    boolean(
        "TapToPayScreenLock",
        default=False,
        platforms=only(ios="16.4"),
        help=_("Ask for Face ID or passcode after each payment."),
    ),
    string(
        "CellularSliceUUID",
        platforms=only(ios="17.0"),
        help=_("DNN:name or AppCategory:category, as the carrier says."),
    ),
    boolean("Hideable", default=True, platforms=only(ios="18.1"), help=_("Off: the user cannot hide the app.")),
    boolean(
        "Lockable", default=True, platforms=only(ios="18.1"), help=_("Off: the user can neither lock nor hide the app.")
    ),
)
