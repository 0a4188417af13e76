"""What managed apps have, say and need."""

from collections.abc import Sequence

from mdm.common.marking import marked as _
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, RequestType, Support
from mdm.protocol.request_types.vocabulary import array, boolean, on, string

MANAGED_APPLICATION_LIST = RequestType(
    name="ManagedApplicationList",
    label=_("Managed apps"),
    summary=_("List managed apps and how far their installation is."),
    family=_("Apps"),
    platforms=on(
        ios="5.0",
        macos=Support("11.0", user_channel=True),
        tvos="10.2",
        visionos="1.1",
        watchos="10.0",
        every=Support(access_right="AllowAppInstallation"),
    ),
    parameters=(
        array(
            "Identifiers",
            string("IdentifiersItem"),
            platforms=on(ios="7.0"),
            label=_("Bundle identifiers"),
            help=_("Only these apps."),
        ),
    ),
    answers=("ManagedApplicationList",),
)

MANAGED_APPLICATION_ATTRIBUTES = RequestType(
    name="ManagedApplicationAttributes",
    label=_("App attributes"),
    summary=_("Ask for the attributes set on managed apps."),
    family=_("Apps"),
    platforms=on(
        ios="7.0", tvos="10.2", visionos="1.1", watchos="10.0", every=Support(access_right="AllowAppInstallation")
    ),
    parameters=(array("Identifiers", string("IdentifiersItem"), required=True, label=_("Bundle identifiers")),),
    answers=("ApplicationAttributes",),
)

MANAGED_APPLICATION_CONFIGURATION = RequestType(
    name="ManagedApplicationConfiguration",
    label=_("App configuration"),
    summary=_("Ask for the configuration given to managed apps."),
    family=_("Apps"),
    platforms=on(
        ios="7.0",
        macos="10.15",
        tvos="10.2",
        visionos="1.1",
        watchos="10.0",
        every=Support(access_right="AllowAppInstallation"),
    ),
    parameters=(array("Identifiers", string("IdentifiersItem"), required=True, label=_("Bundle identifiers")),),
    secret_answer=True,
    answers=("ApplicationConfigurations",),
)

MANAGED_APPLICATION_FEEDBACK = RequestType(
    name="ManagedApplicationFeedback",
    label=_("App feedback"),
    summary=_("Ask what managed apps left for the server to read."),
    family=_("Apps"),
    platforms=on(
        ios="7.0",
        macos=Support("11.0", device_channel=False, user_channel=True, user_enrollment=FORBIDDEN),
        tvos="10.2",
        visionos="1.1",
        every=Support(access_right="AllowAppInstallation"),
    ),
    parameters=(
        array("Identifiers", string("IdentifiersItem"), required=True, label=_("Bundle identifiers")),
        boolean("DeleteFeedback", default=False, help=_("Delete it once read.")),
    ),
    secret_answer=True,
    answers=("ManagedApplicationFeedback",),
)


def managed_application_list(identifiers: Sequence[str] = ()) -> Request:
    return build("ManagedApplicationList", Identifiers=list(identifiers) or None)


def managed_application_attributes(identifiers: Sequence[str]) -> Request:
    return build("ManagedApplicationAttributes", Identifiers=list(identifiers))


def managed_application_configuration(identifiers: Sequence[str]) -> Request:
    return build("ManagedApplicationConfiguration", Identifiers=list(identifiers))


def managed_application_feedback(identifiers: Sequence[str], *, delete_feedback: bool = False) -> Request:
    return build("ManagedApplicationFeedback", Identifiers=list(identifiers), DeleteFeedback=delete_feedback or None)
