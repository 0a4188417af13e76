"""Books. `iTunesStoreID` is an integer to install and a string to remove."""

from mdm.common.marking import marked as _
from mdm.protocol.request_types.request import Request, build
from mdm.protocol.request_types.schema import FORBIDDEN, RequestType, Support
from mdm.protocol.request_types.vocabulary import SAME, integer, on, only, string

INSTALL_MEDIA = RequestType(
    name="InstallMedia",
    label=_("Install book"),
    summary=_("Install or update a book."),
    family=_("Books"),
    platforms=on(
        ios="8.0",
        macos=Support("10.9", device_channel=False, user_channel=True, user_enrollment=FORBIDDEN),
        every=Support(access_right="AllowAppInstallation"),
    ),
    parameters=(
        integer("iTunesStoreID", label=_("Store ID")),
        string("MediaURL", platforms=only(ios=SAME), help=_("Where a book that is not from the store is.")),
        string("MediaType", required=True, choices=("Book",)),
        string(
            "PersistentID",
            platforms=only(ios=SAME),
            help=_("Identifier in reverse-DNS form for a book that is not from the store."),
        ),
        string("Kind", choices=("pdf", "epub", "ibooks"), platforms=only(ios=SAME)),
        string("Version", platforms=only(ios=SAME)),
        string("Author", platforms=only(ios=SAME)),
        string("Title", platforms=only(ios=SAME)),
    ),
    at_least_one=("iTunesStoreID", "MediaURL"),
    answers=("iTunesStoreID", "MediaURL", "PersistentID", "MediaType", "State", "RejectionReason"),
)

REMOVE_MEDIA = RequestType(
    name="RemoveMedia",
    label=_("Remove book"),
    summary=_("Remove a managed book."),
    family=_("Books"),
    platforms=on(ios=Support("8.0", access_right="AllowAppInstallation")),
    parameters=(
        string("MediaType", required=True, choices=("Book",)),
        string("iTunesStoreID", label=_("Store ID")),
        string("PersistentID"),
    ),
    destructive=True,
    at_least_one=("iTunesStoreID", "PersistentID"),
)

MANAGED_MEDIA_LIST = RequestType(
    name="ManagedMediaList",
    label=_("Managed books"),
    summary=_("List managed books and their state."),
    family=_("Books"),
    platforms=on(ios=Support("8.0", access_right="AllowAppInstallation")),
    answers=("Books",),
)


def install_media(
    *,
    itunes_store_id: int | None = None,
    media_url: str | None = None,
    persistent_id: str | None = None,
    kind: str | None = None,
    version: str | None = None,
    author: str | None = None,
    title: str | None = None,
) -> Request:
    """A book from the store (id) or from elsewhere (URL with persistent id and the rest)."""
    return build(
        "InstallMedia",
        iTunesStoreID=itunes_store_id,
        MediaURL=media_url,
        MediaType="Book",
        PersistentID=persistent_id,
        Kind=kind,
        Version=version,
        Author=author,
        Title=title,
    )


def remove_media(*, itunes_store_id: int | None = None, persistent_id: str | None = None) -> Request:
    store_id = None if itunes_store_id is None else str(itunes_store_id)
    return build("RemoveMedia", MediaType="Book", iTunesStoreID=store_id, PersistentID=persistent_id)


def managed_media_list() -> Request:
    return build("ManagedMediaList")
