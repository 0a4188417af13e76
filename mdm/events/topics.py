"""The kinds of events by what they are about: a hundred names in a menu need headings."""

from mdm.events.kinds import KINDS

# Topic → its title, and the beginnings of the names that belong to it. The first that fits counts, so that
# "device.lock.enabled" can stand elsewhere than "device.created".
TOPICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "people": ("People, programs, the account", ("user.", "account.", "member.", "api_key.", "log.")),
    "enrollment": (
        "Enrollment",
        (
            *("enrollment.", "device.enrolled", "device.reenrolled", "device.unenrolled", "device.refused"),
            *("device.token_updated", "channel.", "ade.", "setup.", "bootstrap_token."),
        ),
    ),
    "devices": (
        "Devices",
        ("device.", "device_group.", "lost_mode.", "escrow_key.", "secret.", "declarative.", "custom_attribute."),
    ),
    "commands": ("Commands", ("command.", "result.", "queue.")),
    "assignments": ("What devices should have", ("assignment_group.", "operation.", "compliance.")),
    "profiles": ("Profiles", ("profile.", "profiles.")),
    "apps": ("Apps", ("app.", "apps.", "managed_config.")),
    "licences": ("Apps and Books", ("content_token.", "licence.")),
    "scripts": ("Scripts", ("script.", "script_job.", "agent.", "agent_", "installer_certificate.")),
    "apple": ("Apple's device lists", ("dep_server.", "dep_settings.", "abm.")),
    "webhooks": ("Webhooks", ("webhook.", "test_event")),
    "certificates": ("Certificates", ("certificate.", "trusted_authority.")),
    "push": ("Push", ("push_certificate.", "vendor_certificate.", "push.")),
    "other": ("Everything else", ("",)),
}


def topic_of(event_type: str) -> str:
    return next(topic for topic, (_, beginnings) in TOPICS.items() if event_type.startswith(beginnings))


def kinds_of(topic: str) -> list[str]:
    """The names that belong to it, in the order of `KINDS`; none for a topic that there is not."""
    return [name for name in KINDS if topic_of(name) == topic]
