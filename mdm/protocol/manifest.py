"""The install manifest: where a device finds an app or package, and the hashes to check it by.

Source: Apple, "ManifestURL" (its property list); the hashes are those of the pieces, one after the other.
"""

from collections.abc import Sequence
from typing import Any


def install_manifest(
    *, url: str, bundle_identifier: str, title: str, version: str, chunk_size: int, chunk_hashes: Sequence[str]
) -> dict[str, Any]:
    """One item with one asset. url must be https for real devices; chunk_hashes: SHA-256 in hex of each chunk_size bytes.

    Without hashes the device checks nothing. Devices refuse titles of a single character, so that the identifier
    stands in for them.
    """
    asset: dict[str, Any] = {"kind": "software-package", "url": url}
    if chunk_hashes:
        asset |= {"sha256-size": chunk_size, "sha256s": list(chunk_hashes)}
    metadata = {"kind": "software", "bundle-identifier": bundle_identifier}
    if version:
        metadata["bundle-version"] = version
    metadata["title"] = title if len(title) > 1 else bundle_identifier
    return {"items": [{"assets": [asset], "metadata": metadata}]}
