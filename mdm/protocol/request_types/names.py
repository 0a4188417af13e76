"""Apple's keys as snake_case (for the raw command endpoint) and as labels (for people).

snake_case("iTunesStoreID") == "itunes_store_id", label("iTunesStoreID") == "iTunes store ID".
"""

import re

# Words whose inner capitals would mislead the splitting.
_WORDS = {
    "iTunes": "iTunes",
    "iOS": "iOS",
    "eSIM": "eSIM",
    "IPv6": "IPv6",
    "WiFi": "Wi-Fi",
    "FileVault": "FileVault",
    "VPN": "VPN",
    "VoiceOver": "VoiceOver",
}
# Names that keep their capital in the middle of a label.
_NAMES = frozenset({"Apple", "Bluetooth"})
_SPECIAL = re.compile(r"(iTunes|iOS|eSIM|IPv6|WiFi|FileVault|VoiceOver|VPN(?=UUID))")
_WORD = re.compile(r"[A-Z]+(?![a-z])[0-9]*|[A-Z][a-z0-9]*|[a-z][a-z0-9]*|[0-9]+")


def words(key: str) -> list[str]:
    """Split a key into its words: "DeviceDNSName" into Device, DNS, Name."""
    found: list[str] = []
    for part in _SPECIAL.split(key):
        found.extend([part] if part in _WORDS else _WORD.findall(part))
    return found


def snake_case(key: str) -> str:
    return "_".join(word.lower() for word in words(key))


def folded(key: str) -> str:
    """A key with case, "_" and "-" taken away; clients' spellings of one key all fold to the same text."""
    return re.sub(r"[^a-z0-9]", "", key.lower())


def label(key: str) -> str:
    """Words for a form: "DeviceName" becomes "Device name"; names and acronyms keep their capitals."""
    shown = [_WORDS.get(word, word if word in _NAMES or word.isupper() else word.lower()) for word in words(key)]
    if shown and shown[0].islower():
        shown[0] = shown[0].capitalize()
    return " ".join(shown)
