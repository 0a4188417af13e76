"""The kinds of events by what they are about: a hundred names in a menu need headings."""

from django.utils.translation import gettext_noop as _

from mdm.events.kinds import KINDS

# Topic → its title, and the beginnings of the names that belong to it. The first that fits counts, so that
# "device.lock.enabled" can stand elsewhere than "device.created".
TOPICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "people": (_("People, programs, the account"), ("user.", "account.", "member.", "api_key.", "log.")),
    "enrollment": (
        _("Enrollment"),
        (
            *("enrollment.", "device.enrolled", "device.reenrolled", "device.unenrolled", "device.refused"),
            *("device.token_updated", "channel.", "ade.", "setup.", "bootstrap_token."),
        ),
    ),
    "devices": (
        _("Devices"),
        (
            "device.",
            "devices.",
            "device_group.",
            "lost_mode.",
            "escrow_key.",
            "secret.",
            "declarative.",
            "custom_attribute.",
        ),
    ),
    "commands": (_("Commands"), ("command.", "result.", "queue.")),
    "assignments": (_("What devices should have"), ("assignment_group.", "operation.", "compliance.")),
    "profiles": (_("Profiles"), ("profile.", "profiles.")),
    "apps": (_("Apps"), ("app.", "apps.", "managed_config.")),
    "licences": (_("Apps and Books"), ("content_token.", "licence.")),
    "scripts": (_("Scripts"), ("script.", "script_job.", "agent.", "agent_", "installer_certificate.")),
    "apple": (_("Apple's device lists"), ("dep_server.", "dep_settings.", "abm.")),
    "webhooks": (_("Webhooks"), ("webhook.", "test_event")),
    "certificates": (_("Certificates"), ("certificate.", "trusted_authority.")),
    "push": (_("Push"), ("push_certificate.", "vendor_certificate.", "push.")),
    "other": (_("Everything else"), ("",)),
}


def topic_of(event_type: str) -> str:
    return next(topic for topic, (_title, beginnings) in TOPICS.items() if event_type.startswith(beginnings))


def kinds_of(topic: str) -> list[str]:
    """The names that belong to it, in the order of `KINDS`; none for a topic that there is not."""
    return [name for name in KINDS if topic_of(name) == topic]
