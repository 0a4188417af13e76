"""A flat macOS package: a product archive (with a Distribution script) or a single component package, inside xar.

Source: Apple, "Distribution Definition XML Schema", productbuild(1), pkgbuild(1).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO
from xml.etree.ElementTree import Element

from apps_catalog.packages.errors import BadPackage
from apps_catalog.packages.facts import (
    MAX_TITLE,
    PackageFacts,
    identifier_of,
    optional_identifier,
    os_version_of,
    text_of,
    version_key,
    version_of,
)
from apps_catalog.packages.xar import Archive, Member
from apps_catalog.packages.xml import read_xml

MAX_SCRIPT_BYTES = 4 * 1024 * 1024
MAX_TOTAL_BYTES = 16 * 1024 * 1024
MAX_TOTAL_TAGS = 400_000  # of all scripts together: many of them may be the same few bytes of the file
MAX_COMPONENTS = 200
MAX_LISTED = 500
MAX_PATH = 500

_DISTRIBUTION, _COMPONENT = "Distribution", "PackageInfo"
_SCRIPTS = ("installer-gui-script", "installer-script")


@dataclass
class _Contents:
    """What Distribution and PackageInfo files tell, gathered; the dictionaries have identifiers as keys."""

    packages: dict[str, str] = field(default_factory=dict)  # version
    bundles: dict[str, dict[str, str]] = field(default_factory=dict)

    def add_package(self, identifier: object, version: object) -> None:
        found = optional_identifier(identifier)
        if found and (found in self.packages or len(self.packages) < MAX_LISTED):
            self.packages[found] = self.packages.get(found) or version_of(version)

    def add_bundles(self, elements: Iterable[Element], location: str = "") -> None:
        for element in elements:
            identifier = optional_identifier(element.get("id"))
            if not identifier or (identifier not in self.bundles and len(self.bundles) == MAX_LISTED):
                continue
            known = self.bundles.setdefault(
                identifier, {"identifier": identifier, "version": "", "short_version": "", "path": ""}
            )
            path = element.get("path")
            facts = {
                "version": version_of(element.get("CFBundleVersion")),
                "short_version": version_of(element.get("CFBundleShortVersionString")),
                "path": _joined(location, path) if path else "",
            }
            known.update({key: value for key, value in facts.items() if value and not known[key]})


def read(file: BinaryIO) -> PackageFacts:
    """Raises BadPackage."""
    archive = Archive(file)
    scripts = _scripts(archive)
    contents = _Contents()
    distribution = scripts.pop(_DISTRIBUTION, None)
    if distribution is not None and distribution.tag not in _SCRIPTS:
        raise BadPackage("The Distribution of this package is not that of a macOS package.")
    # First what is really inside: a Distribution may name packages that it does not bring.
    for component in scripts.values():
        _read_component(component, contents)
    product = None if distribution is None else _read_distribution(distribution, contents)
    identifier, version = _identity(product, contents)
    apps = [bundle for bundle in contents.bundles.values() if bundle["path"].endswith(".app")]
    title = "" if distribution is None else text_of(distribution.findtext("title"), MAX_TITLE)
    return PackageFacts(
        kind="pkg",
        bundle_identifier=identifier,
        title=title or (_name_of(apps[0]) if apps else identifier),
        version=version,
        short_version=apps[0]["short_version"] if len(apps) == 1 else "",
        minimum_os_version=_minimum_os_version(distribution),
        platform="macOS",
        is_signed=archive.is_signed,
        details={
            "is_distribution": distribution is not None,
            "packages": [{"identifier": name, "version": own} for name, own in contents.packages.items()],
            "bundles": list(contents.bundles.values()),
            "architectures": _architectures(distribution),
            "warnings": _warnings(distribution is not None, archive.is_signed),
        },
    )


def _scripts(archive: Archive) -> dict[str, Element]:
    """Path → root of the Distribution and of every PackageInfo."""
    found: dict[str, Element] = {}
    room, tags = MAX_TOTAL_BYTES, 0
    for member in _script_members(archive):
        if member.path in found:
            raise BadPackage(f"This package has {member.path[:100]} twice.")
        if len(found) > MAX_COMPONENTS:
            raise BadPackage(f"This package contains more than {MAX_COMPONENTS} packages.")
        content = archive.read(member, min(MAX_SCRIPT_BYTES, room))
        room -= len(content)
        tags += content.count(b"<")
        if tags > MAX_TOTAL_TAGS:
            raise BadPackage("This package describes more components than the server reads.")
        found[member.path] = read_xml(content, member.path.rpartition("/")[2])
    if not found:
        raise BadPackage("This archive has neither a Distribution nor a PackageInfo and so is no macOS package.")
    return found


def _script_members(archive: Archive) -> Iterator[Member]:
    for member in archive.members:
        folder, _, name = member.path.rpartition("/")
        if member.path == _DISTRIBUTION or (name == _COMPONENT and "/" not in folder):
            yield member


def _read_component(root: Element, contents: _Contents) -> None:
    if root.tag != "pkg-info":
        raise BadPackage("A PackageInfo of this package is not that of a macOS package.")
    contents.add_package(root.get("identifier"), root.get("version"))
    contents.add_bundles(root.iter("bundle"), root.get("install-location", ""))


def _read_distribution(root: Element, contents: _Contents) -> tuple[str, str] | None:
    """Identifier and version of the product, if they are told; most packages only tell those of their components."""
    for reference in root.iter("pkg-ref"):
        contents.add_package(reference.get("id"), reference.get("version"))
        contents.add_bundles(reference.iter("bundle"))
    product = root.find("product")
    if product is None or not product.get("id"):
        return None
    return identifier_of(product.get("id")), version_of(product.get("version"))


def _identity(product: tuple[str, str] | None, contents: _Contents) -> tuple[str, str]:
    """The product's, or else those of the first component."""
    component = next(iter(contents.packages.items()), None)
    if product is None and component is None:
        raise BadPackage("This package tells no identifier, neither its own nor that of a component.")
    identifier, version = product or component
    return identifier, version or (component[1] if component else "")


def _minimum_os_version(distribution: Element | None) -> str:
    """The lowest of those allowed."""
    if distribution is None:
        return ""
    versions = [os_version_of(element.get("min")) for element in distribution.iter("os-version")]
    return min(filter(version_key, versions), key=version_key, default="")


def _architectures(distribution: Element | None) -> list[str]:
    options = None if distribution is None else distribution.find("options")
    given = "" if options is None else options.get("hostArchitectures", "")
    return [name for part in given.split(",")[:10] if (name := text_of(part, 20))]


def _warnings(is_distribution: bool, is_signed: bool) -> list[str]:
    warnings = []
    if not is_distribution:
        warnings.append("This is a component package: by MDM, Macs install only what productbuild makes of it.")
    if not is_signed:
        warnings.append("The package is not signed: by MDM, Macs install only signed packages.")
    return warnings


def _name_of(bundle: dict[str, str]) -> str:
    return bundle["path"].rpartition("/")[2].removesuffix(".app") or bundle["identifier"]


def _joined(location: str, path: str) -> str:
    """As it will be on the Mac: an absolute path."""
    parts = [part for part in f"{location[:MAX_PATH]}/{path[:MAX_PATH]}".split("/") if part not in ("", ".")]
    return text_of("/" + "/".join(parts), MAX_PATH)
