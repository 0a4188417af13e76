"""What distinguishes one device's rendering of a profile from another's: the values of the variables that are in it.

A rendering is known by a fingerprint of these values, keyed, so that nobody reads a secret value from it. It is worked out when
the profile is delivered and stored with the install; another fingerprint later means that the device has to get it again.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from django.db.models import F
from django.utils.crypto import salted_hmac

from devices.models import Device, Profile, ProfileVersion
from devices.services.memberships import Memberships
from devices.services.variables import names_in, names_of, variables_for
from mdm.channels.models import Channel
from mdm.protocol import mobileconfig

_SALT = "pomona.profile.rendering"


def newest_versions(profiles: Collection[Profile]) -> dict[int, ProfileVersion]:
    """Profile pk → its version in force, without the content. One statement, but where names have still to be looked for."""
    versions = ProfileVersion.objects.filter(profile__in=profiles, number=F("profile__version")).defer("content")
    found = {version.profile_id: version for version in versions}
    for version in found.values():
        if version.variables is None:
            version.variables = variables_in(version.content)
            version.save(update_fields=["variables"])
    return found


def variables_in(content: bytes) -> list[str]:
    """Names that may be filled in."""
    return names_in(content) if mobileconfig.has_variables(content) else []


def fingerprint(names: Sequence[str], values: Mapping[str, str]) -> str:
    """64 hexadecimal digits; empty where nothing is filled in."""
    if not names:
        return ""
    text = json.dumps([(name, values.get(name)) for name in names])
    return salted_hmac(_SALT, text, algorithm="sha256").hexdigest()


def fingerprints(
    wanted: Iterable[tuple[Device, Profile, Channel]],
    versions: Mapping[int, ProfileVersion],
    groups: Memberships,
) -> dict[tuple[int, int, str], str]:
    """(device pk, profile pk, user key) → the fingerprint of a rendering made now. Nothing is asked where nothing varies."""
    varying = [
        (device, profile, channel)
        for device, profile, channel in wanted
        if profile.attribute_support and versions[profile.pk].variables
    ]
    if not varying:
        return {}
    names: dict[int, list[str]] = defaultdict(list)
    for _, profile, _ in varying:
        names[profile.pk] = versions[profile.pk].variables
    devices = list({device.pk: device for device, _, _ in varying}.values())
    values = variables_for(devices, groups=groups, names={name for some in names.values() for name in some})
    found = {}
    for device, profile, channel in varying:
        known = values[device.pk] | (names_of(channel) if channel.user_key else {})
        found[device.pk, profile.pk, channel.user_key] = fingerprint(names[profile.pk], known)
    return found
