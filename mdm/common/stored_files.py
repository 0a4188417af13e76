"""Files in the storage, whatever it is (a folder, a service of its own): sent to whoever may have them, and removed."""

import logging
import random
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import BinaryIO, NamedTuple

from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, StreamingHttpResponse
from django.utils.cache import get_conditional_response

PIECE_BYTES = 256 * 1024
_RANGE = re.compile(r"bytes=\s*(\d{0,20})-(\d{0,20})\s*", re.ASCII)

logger = logging.getLogger(__name__)


class Span(NamedTuple):
    """Positions in a file; end is the first one after it."""

    start: int
    end: int


def answer_stored(request: HttpRequest, name: str, *, size: int, sha256: str) -> HttpResponseBase:
    """The file of that name in the storage, or the range of it that is asked for; for GET and HEAD.

    size and sha256 (hex) are those of its row: the file is not read to learn them. Raises FileNotFoundError.
    """
    entity_tag = f'"{sha256}"'
    response = get_conditional_response(request, etag=entity_tag)
    if response is None:
        return _answer(request, name, size, entity_tag)
    response.headers["ETag"] = entity_tag
    return response


def parse_range(header: str, size: int) -> Span | None:
    """The one range that is asked for; None for none, for several, and for what is no range: then all is sent.

    An empty span is a range that the file does not have. Source: RFC 9110, section 14.1.2.
    """
    match = _RANGE.fullmatch(header)
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:
        return Span(max(0, size - int(match[2])), size)
    start, end = int(match[1]), min(size, int(match[2]) + 1) if match[2] else size
    if match[2] and int(match[2]) < start:
        return None
    return Span(start, max(start, end))


def delete_stored(names: Iterable[str]) -> None:
    """A file that cannot be removed is no reason to fail what was decided already: it is left, and the log says so."""
    for name in names:
        try:
            default_storage.delete(name)
        except Exception:
            logger.exception("The file %s could not be removed from the storage", name)


def drop_left_behind(
    top: str, named_by_rows: Callable[[int], set[str]], *, before: datetime, most_folders: int, most_files: int
) -> int:
    """Remove older files of `top/ACCOUNT/` that no row names: whoever stored them was ended before the commit, or the account
    went. Returns how many. named_by_rows: of an account by its key; other folders than those of accounts are not ours.
    """
    total = 0
    folders = _folders(top)
    for account_id in random.sample(folders, min(len(folders), most_folders)):
        for name in _left_behind(f"{top}/{account_id}", account_id, named_by_rows, before):
            delete_stored([name])
            total += 1
            if total == most_files:
                return total
    return total


def _left_behind(
    folder: str, account_id: int, named_by_rows: Callable[[int], set[str]], before: datetime
) -> Iterator[str]:
    names = {f"{folder}/{name}" for name in default_storage.listdir(folder)[1]}
    # Read after the listing: what is in it and was committed meanwhile has its row.
    for name in sorted(names - named_by_rows(account_id)):
        try:
            is_old = default_storage.get_modified_time(name) < before
        except Exception:  # each storage has its own errors; a file that has just gone is no trouble
            logger.exception("The age of %s in the storage is not known", name)
            continue
        if is_old:
            yield name


def _folders(top: str) -> list[int]:
    """Accounts that have something there, those that were deleted too."""
    try:
        names, _ = default_storage.listdir(top)
    except FileNotFoundError:
        return []  # nothing was ever stored
    return [int(name) for name in names if name.isascii() and name.isdecimal() and len(name) < 19]


class Pieces:
    """The bytes from start to end, read when they are sent; the server closes it at the end or when the client goes."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self.file, self.start, self.end = file, start, end

    def __iter__(self) -> Iterator[bytes]:
        self.file.seek(self.start)
        left = self.end - self.start
        while left and (piece := self.file.read(min(PIECE_BYTES, left))):
            left -= len(piece)
            yield piece

    def close(self) -> None:
        self.file.close()


def _answer(request: HttpRequest, name: str, size: int, entity_tag: str) -> HttpResponseBase:
    if request.method == "HEAD":
        return _with_headers(HttpResponse(), entity_tag, size)
    try:
        default_storage.path(name)
    except NotImplementedError:
        # The storage is a service of its own: it has its own signed addresses, and its own ranges.
        response = HttpResponseRedirect(default_storage.url(name))
        response.headers["Cache-Control"] = "no-store"
        return response
    span = _span(request, size, entity_tag)
    if span is not None and span.start >= span.end:
        response = HttpResponse(status=416, content_type="text/plain")
        response.headers["Content-Range"] = f"bytes */{size}"
        return response
    start, end = span or (0, size)
    response = StreamingHttpResponse(Pieces(default_storage.open(name), start, end), status=206 if span else 200)
    if span:
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    return _with_headers(response, entity_tag, end - start)


def _span(request: HttpRequest, size: int, entity_tag: str) -> Span | None:
    """With If-Range a range counts only while the file is still the same."""
    if request.headers.get("If-Range", entity_tag).strip() != entity_tag:
        return None
    return parse_range(request.headers.get("Range", ""), size)


def _with_headers(response: HttpResponseBase, entity_tag: str, length: int) -> HttpResponseBase:
    for name, value in {
        "Content-Type": "application/octet-stream",
        "Content-Disposition": "attachment",
        "Content-Length": str(length),
        "Accept-Ranges": "bytes",
        "ETag": entity_tag,
        "Cache-Control": "private",
    }.items():
        response.headers[name] = value
    return response
