"""Small apps and packages in the forms that Xcode, pkgbuild and productbuild give them, made without their tools."""

import base64
import bz2
import gzip
import hashlib
import io
import plistlib
import struct
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from xml.sax.saxutils import escape, quoteattr

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from django.core.files.uploadedfile import SimpleUploadedFile

from apps_catalog.models import App, AppVersion
from apps_catalog.packages import inspect
from apps_catalog.services.storing import store
from mdm.common import certs
from mdm.protocol.cms import sign

EXPIRES_AT = datetime(2099, 1, 1, tzinfo=UTC)
RAW, GZIP, BZIP2 = "application/octet-stream", "application/x-gzip", "application/x-bzip2"


def build_ipa(
    bundle_identifier: str = "com.example.surf",
    version: str = "22",
    short_version: str = "2.2",
    name: str = "Surf Report",
    *,
    binary_plist: bool = False,
    info: Mapping[str, object] | None = None,
    provisioning: bytes | None = None,
    files: Mapping[str, bytes] | None = None,
) -> bytes:
    """info: more keys of Info.plist, None takes one away. files: more entries. provisioning: `build_provisioning()`."""
    values = {
        "CFBundleIdentifier": bundle_identifier,
        "CFBundleVersion": version,
        "CFBundleShortVersionString": short_version,
        "CFBundleDisplayName": name,
        "CFBundleName": "Surf",
        "CFBundleSupportedPlatforms": ["iPhoneOS"],
        "MinimumOSVersion": "15.0",
        "UIDeviceFamily": [1, 2],
        **(info or {}),
    }
    values = {key: value for key, value in values.items() if value is not None}
    form = plistlib.FMT_BINARY if binary_plist else plistlib.FMT_XML
    contents = {
        "Payload/Surf.app/Info.plist": plistlib.dumps(values, fmt=form),
        "Payload/Surf.app/Surf": b"\xcf\xfa" * 50,
    }
    if provisioning is not None:
        contents["Payload/Surf.app/embedded.mobileprovision"] = provisioning
    return build_zip(contents | dict(files or {}))


def build_zip(contents: Mapping[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return stream.getvalue()


def build_provisioning(*, expires_at: datetime = EXPIRES_AT, **values: object) -> bytes:
    profile = {
        "Name": "Surf In-House",
        "TeamName": "Portland Surf Club",
        "ExpirationDate": expires_at.replace(tzinfo=None),
        "ProvisionsAllDevices": True,
        **values,
    }
    return sign(plistlib.dumps(profile), *_identity())


def build_pkg(
    identifier: str = "com.example.tool",
    version: str = "1.2.3",
    title: str = "Example Tool",
    *,
    signed: bool = False,
    distribution: bool = True,
    encoding: str = GZIP,
    script: str | None = None,
    payload: bytes = b"",
) -> bytes:
    """A product archive with one component that installs /Applications/Example.app; distribution: off for the component alone.

    script: another Distribution. encoding: how Distribution and PackageInfo are packed. payload: content of the component.
    """
    info = package_info(identifier, version).encode()
    component = [("PackageInfo", info, encoding), ("Payload", payload or b"payload" * 20, RAW)]
    if not distribution:
        return build_xar(component, signed=signed)
    script = distribution_script(identifier, version, title) if script is None else script
    return build_xar(
        [("Distribution", script.encode(), encoding), ("component.pkg", component, "")],
        signed=signed,
    )


def package_info(identifier: str = "com.example.tool", version: str = "1.2.3") -> str:
    return f"""<?xml version="1.0" encoding="utf-8"?>
<pkg-info format-version="2" identifier={quoteattr(identifier)} version={quoteattr(version)} install-location="/Applications"
 auth="root"><payload numberOfFiles="3" installKBytes="4"/>
 <bundle path="./Example.app" id="com.example.app" CFBundleShortVersionString="1.2" CFBundleVersion="120"/>
 <bundle-version><bundle id="com.example.app"/></bundle-version></pkg-info>"""


def distribution_script(identifier: str, version: str, title: str, *, product: bool = True) -> str:
    told = f"<product id={quoteattr(identifier)} version={quoteattr(version)}/>" if product else ""
    return f"""<?xml version="1.0" encoding="utf-8"?>
<installer-gui-script minSpecVersion="2"><title>{escape(title)}</title>{told}
 <options customize="never" require-scripts="false" hostArchitectures="x86_64,arm64"/>
 <volume-check><allowed-os-versions><os-version min="10.15"/></allowed-os-versions></volume-check>
 <choices-outline><line choice="default"/></choices-outline>
 <choice id="default"><pkg-ref id={quoteattr(identifier)}/></choice>
 <pkg-ref id={quoteattr(identifier)} version={quoteattr(version)} onConclusion="none">#component.pkg</pkg-ref>
</installer-gui-script>"""


Node = tuple[str, "bytes | Iterable[Node]", str]


def build_xar(nodes: Iterable[Node], *, signed: bool = False, toc: str | None = None, checksum: bool = True) -> bytes:
    """nodes: (name, content, encoding), the content being bytes or, for a folder, further nodes. toc: another one."""
    heap = bytearray(20)  # the digest of the table of contents comes first
    number = iter(range(1, 1_000_000))
    files = "".join(_file(node, heap, number) for node in nodes)
    signature = ""
    if signed:
        certificate = base64.b64encode(_identity()[1].public_bytes(Encoding.DER)).decode()
        signature = (
            f'<signature style="RSA"><offset>{len(heap)}</offset><size>256</size>'
            '<KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data>'
            f"<X509Certificate>{certificate}</X509Certificate></X509Data></KeyInfo></signature>"
        )
        heap += bytes(256)
    digest = '<checksum style="sha1"><offset>0</offset><size>20</size></checksum>' if checksum else ""
    if toc is None:
        toc = f'<?xml version="1.0" encoding="UTF-8"?><xar><toc>{digest}{signature}{files}</toc></xar>'
    packed = zlib.compress(toc.encode())
    heap[:20] = hashlib.sha1(packed).digest()
    return struct.pack(">4sHHQQL", b"xar!", 28, 1, len(packed), len(toc.encode()), 1) + packed + bytes(heap)


def _file(node: Node, heap: bytearray, number: Iterable[int]) -> str:
    name, content, encoding = node
    head = f'<file id="{next(number)}"><name>{escape(name)}</name>'
    if not isinstance(content, bytes):
        inner = "".join(_file(child, heap, number) for child in content)
        return f"{head}<type>directory</type>{inner}</file>"
    packed = {RAW: bytes, GZIP: zlib.compress, BZIP2: bz2.compress, "gzip": gzip.compress}[encoding](content)
    style = GZIP if encoding == "gzip" else encoding
    data = (
        f"<data><length>{len(packed)}</length><offset>{len(heap)}</offset><size>{len(content)}</size>"
        f'<encoding style="{style}"/></data>'
    )
    heap += packed
    return f"{head}<type>file</type>{data}</file>"


@cache
def _identity() -> tuple[object, x509.Certificate]:
    key = certs.new_rsa_key()
    return key, certs.create_ca("Developer ID Installer: Example", organization="Example", key=key)


def make_uploaded(app: App, data: bytes, file_name: str = "upload") -> AppVersion:
    """The next version of the app, its file in the storage."""
    upload = SimpleUploadedFile(file_name, data)
    with store(app.account_id, upload, inspect(upload, file_name)) as version:
        version.app = app
        version.save()
    return version
