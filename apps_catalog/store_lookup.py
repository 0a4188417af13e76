"""Asking Apple's App Store what it knows about an app. Whoever calls this is a worker, outside of any transaction.

Source: Apple, "iTunes Search API", lookups by id and by bundle identifier, and searches by words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from mdm.common.peers import Peer, PeerAnswer, PeerAnswerUnreadable, PeerUnreachable
from mdm.common.text import clean_text

TIMEOUT_SECONDS = 10.0  # for each read; ANSWER_SECONDS for all of them
ANSWER_SECONDS = 30.0
MAX_BYTES = 2 * 1024 * 1024
MAX_ID = 2**63 - 1
APP_KINDS = ("software", "mac-software")
SEARCHED = ("software", "macSoftware")  # Apple's entities: iPhone and iPad, Mac
MOST_FOUND = 15  # for each of them
# Apple answers 403 as well as 429 to those who ask too often.
TRY_AGAIN = (403, 408, 425, 429)


class StoreError(Exception):
    """str(error) is a sentence for people."""


class NotInStore(StoreError):
    """The store does not know the app, and asking again would not help."""


class StoreUnavailable(StoreError):
    """No answer that could be used; the same may be asked later. retry_after_seconds: 0 unless the store said so."""

    def __init__(self, text: str, retry_after_seconds: float = 0.0) -> None:
        super().__init__(text)
        self.retry_after_seconds = retry_after_seconds


@dataclass(frozen=True)
class StoreApp:
    """What the store says; every text is bounded and may be empty, except name and bundle_identifier.

    icon_url: https, or at APP_STORE_URL itself.
    """

    store_id: int
    bundle_identifier: str
    name: str
    version: str
    platform: str
    icon_url: str
    seller: str = ""
    price: str = ""


def store_client() -> Peer:
    """For any number of lookups, in a `with`. Raises StoreUnavailable."""
    try:
        return Peer(
            "The App Store",
            settings.APP_STORE_URL,
            setting="APP_STORE_URL",
            ca_file=settings.APP_STORE_CA_FILE,
            timeout=TIMEOUT_SECONDS,
            deadline=ANSWER_SECONDS,
            max_answer_bytes=MAX_BYTES,
        )
    except PeerUnreachable as error:
        raise StoreUnavailable(str(error)) from error


def is_at_store(url: str) -> bool:
    """Whether it is on the very server of APP_STORE_URL: that of a test may be at a private address, and without TLS."""
    return url.startswith(f"{settings.APP_STORE_URL.rstrip('/')}/")


def look_up(client: Peer, *, country: str, store_id: int | None = None, bundle_identifier: str = "") -> StoreApp:
    """Ask by store id if there is one, otherwise by bundle identifier. Raises NotInStore, StoreUnavailable."""
    question = {"id": str(store_id)} if store_id is not None else {"bundleId": bundle_identifier}
    asked_for = f"id {store_id}" if store_id is not None else bundle_identifier
    answer = _ask(client, "/lookup", question | {"country": country})
    for result in answer["results"]:
        found = _read(result)
        if found is not None and (store_id is None or found.store_id == store_id):
            return found
    raise NotInStore(f"The App Store of {country} has no app with {asked_for}.")


def search(client: Peer, *, country: str, words: str) -> list[StoreApp]:
    """Apps for iPhone, iPad and Mac that the store finds by these words, its order kept, those for Macs last; at most
    2 * MOST_FOUND. Raises NotInStore when the store refuses the question, StoreUnavailable.
    """
    found: dict[int, StoreApp] = {}
    for entity in SEARCHED:
        question = {"term": words, "country": country, "entity": entity, "limit": str(MOST_FOUND)}
        for result in _ask(client, "/search", question)["results"][:MOST_FOUND]:
            app = _read(result)
            if app is not None:
                found.setdefault(app.store_id, app)
    return list(found.values())


def _ask(client: Peer, path: str, question: Mapping[str, str]) -> dict[str, Any]:
    try:
        answer = client.ask("GET", path, params=question)
        _check_status(answer, question["country"])
        said = answer.json_object()
    except PeerUnreachable as error:
        raise StoreUnavailable(str(error)) from error
    except PeerAnswerUnreadable as error:
        raise StoreUnavailable(f"The App Store's answer makes no sense: {error}") from error
    if not isinstance(said.get("results"), list):
        raise StoreUnavailable("The App Store's answer makes no sense: it holds no results.")
    return said


def _check_status(answer: PeerAnswer, country: str) -> None:
    status = answer.status
    if status == 200:
        return
    if 400 <= status < 500 and status not in TRY_AGAIN:
        raise NotInStore(f"The App Store refused to look for the app in {country} (status {status}).")
    raise StoreUnavailable(f"The App Store answered {status}.", answer.retry_after_seconds)


def _read(result: Any) -> StoreApp | None:
    """None for what is not an app: the same lookup finds songs and books."""
    if not isinstance(result, dict) or result.get("kind") not in APP_KINDS:
        return None
    store_id = result.get("trackId")
    if isinstance(store_id, bool) or not isinstance(store_id, int) or not 0 < store_id <= MAX_ID:
        return None
    bundle_identifier = _text(result, "bundleId", 255)
    if not bundle_identifier:
        return None
    icon_url = _text(result, "artworkUrl100", 501)
    return StoreApp(
        store_id=store_id,
        bundle_identifier=bundle_identifier,
        name=_text(result, "trackName", 255) or bundle_identifier,
        version=_text(result, "version", 100),
        platform="macOS" if result["kind"] == "mac-software" else "iOS",
        icon_url=icon_url
        if len(icon_url) <= 500 and (icon_url.startswith("https://") or is_at_store(icon_url))
        else "",
        seller=_text(result, "sellerName", 200) or _text(result, "artistName", 200),
        price=_text(result, "formattedPrice", 30),
    )


def _text(result: Mapping[str, Any], key: str, limit: int) -> str:
    value = result.get(key)
    return clean_text(value, limit).strip() if isinstance(value, str) else ""
