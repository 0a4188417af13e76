"""Facts about a device."""

from collections.abc import Sequence

from mdm.common.marking import marked as _
from mdm.protocol.request_types.queries import LEGACY_QUERIES, QUERIES, default_queries
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, Platform, RequestType, Support
from mdm.protocol.request_types.vocabulary import SHARED_BOTH, array, boolean, data, on, string

DEVICE_INFORMATION = RequestType(
    name="DeviceInformation",
    label=_("Device information"),
    summary=_("Ask for name, model, OS, capacity, network and other facts of the device."),
    family=_("Information"),
    platforms=on(
        ios=Support("4.0", shared_ipad=SHARED_BOTH),
        macos=Support("10.7", user_channel=True),
        tvos="9.0",
        visionos="1.1",
        watchos="10.0",
        every=Support(access_right="Special Case"),
    ),
    parameters=(
        array(
            "Queries",
            string("QueriesItem", *QUERIES, legacy_choices=LEGACY_QUERIES),
            required=True,
            label=_("Facts wanted"),
            help=_("Left out: everything that the platform can tell."),
        ),
        data(
            "DeviceAttestationNonce",
            platforms=on(ios="16.0", macos="14.0", tvos="16.0"),
            help=_("At most 32 bytes that the attestation must repeat."),
        ),
    ),
    answers=("QueryResponses",),
)

SECURITY_INFO = RequestType(
    name="SecurityInfo",
    label=_("Security information"),
    summary=_("Ask about encryption, passcode, firewall, secure boot and management state."),
    family=_("Information"),
    platforms=on(
        ios="4.0",
        macos=Support("10.7", user_channel=True),
        tvos="9.0",
        visionos="1.1",
        watchos="10.0",
        every=Support(access_right="AllowQuerySecurity"),
    ),
    secret_answer=True,
    answers=("SecurityInfo",),
)

CONTENT_CACHING_INFORMATION = RequestType(
    name="ContentCachingInformation",
    label=_("Content caching"),
    summary=_("Ask a Mac that caches downloads for its figures."),
    family=_("Information"),
    platforms=on(macos=Support("10.15.4", access_right="AllowQueryNetworkInformation", user_enrollment=FORBIDDEN)),
    answers=("StatusResponse",),
)

RESTRICTIONS = RequestType(
    name="Restrictions",
    label=_("Restrictions"),
    summary=_("Ask which restrictions are in force."),
    family=_("Information"),
    platforms=on(
        ios=Support("4.0", shared_ipad=SHARED_BOTH),
        tvos="9.0",
        visionos="1.1",
        watchos="10.0",
        every=Support(access_right="AllowQueryRestrictions", user_enrollment=FORBIDDEN),
    ),
    parameters=(boolean("ProfileRestrictions", default=False, help=_("Also say which profile asks for what.")),),
    answers=("GlobalRestrictions", "ProfileRestrictions"),
)


def device_information(queries: Sequence[str] | None = None, *, platform: Platform | None = None) -> Request:
    """Without queries: all that make sense on the platform."""
    return build("DeviceInformation", Queries=list(queries) if queries else default_queries(platform))


def security_info() -> Request:
    return build("SecurityInfo")


def content_caching_information() -> Request:
    return build("ContentCachingInformation")


def restrictions(*, profile_restrictions: bool = False) -> Request:
    return build("Restrictions", ProfileRestrictions=profile_restrictions or None)
