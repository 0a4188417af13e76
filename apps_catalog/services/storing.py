"""Uploaded files on their way into the storage, and out of it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial

from django.conf import settings
from django.core.files import File
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

from apps_catalog.models import App, AppVersion
from apps_catalog.models.app import folder_of, stored_path
from apps_catalog.packages import PackageFacts, digest_file
from mdm.common.stored_files import delete_stored
from mdm.common.text import clean_text
from mdm.common.tokens import new_token

MAX_FILE_NAME = 255
# What storages that are services of their own keep beside the file; the uploader's word for it is not asked.
CONTENT_TYPE = "application/octet-stream"
# Ending of a stored icon's name → what it is.
ICON_TYPES = {".png": "image/png", ".jpg": "image/jpeg"}


@contextmanager
def store(account_id: int, upload: File, facts: PackageFacts) -> Iterator[AppVersion]:
    """An AppVersion that lacks its app and is not saved, while its file is in the storage already.

    The file goes again if the block fails, so wrap the transaction with it and not the other way round:

        with store(account_id, upload, facts) as version, transaction.atomic():
            version.app = …
            version.save()

    Raises BadPackage, before anything is stored, for a file that is larger than APP_MAX_BYTES.
    """
    digests = digest_file(upload, max_bytes=settings.APP_MAX_BYTES)
    version = AppVersion(
        account_id=account_id,
        kind=facts.kind,
        secret_name=new_token(),
        file_name=clean_text(upload.name or "", MAX_FILE_NAME),
        size=digests.size,
        sha256=digests.sha256,
        chunk_size=digests.chunk_size,
        chunk_hashes=digests.chunk_hashes,
        bundle_identifier=facts.bundle_identifier,
        title=facts.title,
        version=facts.version,
        short_version=facts.short_version,
        minimum_os_version=facts.minimum_os_version,
        is_signed=facts.is_signed,
        details=facts.details,
    )
    upload.seek(0)
    upload.content_type = CONTENT_TYPE
    try:
        # A large upload is moved and not copied where the storage is on the same disk.
        version.file.save(version.secret_name, upload, save=False)
        yield version
    except BaseException:
        delete_stored([version.file.name or stored_path(version, "")])
        raise


@contextmanager
def store_icon(account_id: int, icon: bytes, ending: str = "png") -> Iterator[str]:
    """The name of the image in the storage, "" for none; as `store`, it goes again if the block fails.

    ending: "png" or "jpg", what the image is. The name is the secret in the icon's address: who knows it may look.
    """
    if not icon:
        yield ""
        return
    name = f"{folder_of(account_id)}/{new_token()}.{ending}"
    content = ContentFile(icon)
    content.content_type = ICON_TYPES[f".{ending}"]
    try:
        yield default_storage.save(name, content)
    except BaseException:
        delete_stored([name])
        raise


def set_icon(app: App, name: str) -> None:
    """The image of the newest upload or of the App Store; the caller saves the app.

    The file before it goes when the transaction has committed.
    """
    if app.icon and app.icon.name != name:
        transaction.on_commit(partial(delete_stored, [app.icon.name]))
    app.icon = name


def delete_files(versions: Iterable[AppVersion]) -> None:
    """Remove their files when the transaction has committed; the rows are the caller's to delete."""
    names = [version.file.name for version in versions if version.file]
    if names:
        transaction.on_commit(partial(delete_stored, names))
