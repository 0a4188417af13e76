"""A product archive, which is what macOS installs by MDM: a Distribution, and one component package in a folder.

Sources: Apple, "Distribution Definition XML Schema", productbuild(1), pkgbuild(1).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from mdm.protocol.pkg import cpio
from mdm.protocol.pkg.bom import bill_of_materials
from mdm.protocol.pkg.entries import Entry, tree_of
from mdm.protocol.pkg.signature import PackageSigner
from mdm.protocol.pkg.xar import Member, archive

# Of everything in the package: one that is built again is the same, byte for byte.
MADE_AT = datetime(2026, 1, 1, tzinfo=UTC)
ARCHITECTURES = "x86_64,arm64"  # without them, macOS asks for Rosetta before it runs scripts of a package


@dataclass(frozen=True)
class Component:
    """What is installed. version: numbers with dots. files: what goes onto the volume; scripts: "preinstall" and "postinstall",
    which run as root. minimum_os: of macOS. folder: its name in the archive.
    """

    identifier: str
    version: str
    title: str
    files: Sequence[Entry]
    scripts: Mapping[str, bytes] = field(default_factory=dict)
    minimum_os: str = "10.13"
    folder: str = "component.pkg"


def product_archive(component: Component, *, signer: PackageSigner | None = None) -> bytes:
    """The .pkg file; the same bytes for the same input. Unsigned, Macs install it only by hand. Raises ValueError."""
    modified_at = int(MADE_AT.timestamp())
    entries = tree_of(component.files)
    kilobytes = -(-sum(entry.size for entry in entries) // 1024)
    members = [
        Member("Distribution", _distribution(component, kilobytes)),
        Member(f"{component.folder}/Bom", bill_of_materials(entries, modified_at=modified_at)),
        Member(f"{component.folder}/PackageInfo", _package_info(component, len(entries), kilobytes)),
        Member(f"{component.folder}/Payload", cpio.packed(entries, modified_at=modified_at)),
    ]
    if component.scripts:
        scripts = tree_of(Entry(name, content, 0o755) for name, content in component.scripts.items())
        members.append(Member(f"{component.folder}/Scripts", cpio.packed(scripts, modified_at=modified_at)))
    return archive(members, made_at=MADE_AT, signer=signer)


def _distribution(component: Component, kilobytes: int) -> bytes:
    """Nothing to choose and nothing to say, for any volume: also for one that is being set up."""
    root = Element("installer-gui-script", minSpecVersion="2")
    SubElement(root, "title").text = component.title
    options = {"customize": "never", "require-scripts": "false", "hostArchitectures": ARCHITECTURES}
    SubElement(root, "options", options)
    SubElement(root, "product", id=component.identifier, version=component.version)
    check = SubElement(root, "volume-check")
    SubElement(SubElement(check, "allowed-os-versions"), "os-version", min=component.minimum_os)
    outline = SubElement(SubElement(root, "choices-outline"), "line", choice="default")
    SubElement(outline, "line", choice=component.identifier)
    SubElement(root, "choice", id="default")
    choice = SubElement(root, "choice", id=component.identifier, visible="false")
    SubElement(choice, "pkg-ref", id=component.identifier)
    package = {"id": component.identifier, "version": component.version, "onConclusion": "none"}
    SubElement(root, "pkg-ref", package, installKBytes=str(kilobytes)).text = f"#{component.folder}"
    return _xml(root)


def _package_info(component: Component, count: int, kilobytes: int) -> bytes:
    """Permissions are not overwritten: folders such as /usr/local stay as the Mac's owner has them."""
    facts = {
        "format-version": "2",
        "identifier": component.identifier,
        "version": component.version,
        "install-location": "/",
        "auth": "root",
        "overwrite-permissions": "false",
        "relocatable": "false",
        "postinstall-action": "none",
    }
    root = Element("pkg-info", facts)
    SubElement(root, "payload", numberOfFiles=str(count), installKBytes=str(kilobytes))
    if component.scripts:
        scripts = SubElement(root, "scripts")
        for name in sorted(component.scripts, reverse=True):
            SubElement(scripts, name, file=f"./{name}")
    return _xml(root)


def _xml(root: Element) -> bytes:
    indent(root, "    ")
    return tostring(root, encoding="utf-8", xml_declaration=True) + b"\n"
