"""Apple's Apps and Books: a location's apps, who has a licence of them, giving licences out and back. No ORM, no settings.

Source: Apple, "App, Book, and Subscription Management": "Managing Apps and Books Through Web Services", "Service Config",
"Client Config", "Managing Assets", "Using Paginated Endpoints", "Handling Error Responses". Nothing secret stands in any
error's text.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from apps_catalog.vpp_answers import (
    BadAnswer,
    ClientConfig,
    EventStatus,
    Limits,
    ManagedElsewhere,
    Page,
    Unreachable,
    error_of,
    read_client_config,
    read_event,
    read_limits,
    read_page,
    read_time,
)
from mdm.common.peers import TIMEOUT_SECONDS, Peer, PeerAnswer, PeerAnswerUnreadable, PeerUnreachable

SERVICE_CONFIG = "/mdm/v2/service/config"
# Where Apple has them by its documentation; the service configuration may name other paths of the same server.
PATHS = {
    "clientConfig": "/mdm/v2/client/config",
    "getAssets": "/mdm/v2/assets",
    "getAssignments": "/mdm/v2/assignments",
    "associateAssets": "/mdm/v2/assets/associate",
    "disassociateAssets": "/mdm/v2/assets/disassociate",
    "eventStatus": "/mdm/v2/status",
}
NOTIFICATION_TYPES = ("ASSET_MANAGEMENT", "ASSET_COUNT")
STANDARD_QUALITY = "STDQ"
MAX_ID_LENGTH = 128


@dataclass(frozen=True)
class Notifications:
    """Where Apple is to send them, and the bearer token that it is to show."""

    url: str
    auth_token: str = field(repr=False)


class VppClient:
    """One conversation with Apple: `with VppClient(…) as client`.

    token: the content token as it was downloaded (base64). mdm_id: ours; an answer that names another one is refused, as two
    that manage one location undo each other's work ("Identify the Current MDM Client").
    """

    def __init__(
        self, base_url: str, token: str, *, mdm_id: str = "", ca_file: str = "", timeout: float = TIMEOUT_SECONDS
    ) -> None:
        """Raises Unreachable for an address that is none."""
        try:
            self._peer = Peer("Apps and Books", base_url, setting="VPP_URL", ca_file=ca_file, timeout=timeout)
        except PeerUnreachable as error:
            raise Unreachable(str(error)) from error
        self._authorization = {"Authorization": f"Bearer {token}"}
        self._mdm_id = mdm_id
        self.token_expires_at: datetime | None = None  # Apple says it when the end is near
        self.checks_manager = True  # not to, for looking at what another one manages

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._peer.__exit__(kind, error, at)

    # --- who manages the location -------------------------------------------------------------------------------------
    def client_config(self) -> ClientConfig:
        """Whoever manages the location. Raises VppError, as everything here does."""
        return read_client_config(self._ask("GET", "clientConfig", checks_manager=False))

    def set_client_config(self, *, name: str, metadata: str, notifications: Notifications | None) -> ClientConfig:
        """Enter ourselves as the one that manages the location. Apple tries the address of the notifications at once."""
        body: dict[str, Any] = {"mdmInfo": {"id": self._mdm_id, "name": name, "metadata": metadata}}
        if notifications is not None:
            body |= {
                "notificationUrl": notifications.url,
                "notificationAuthToken": notifications.auth_token,
                "notificationTypes": list(NOTIFICATION_TYPES),
            }
        return read_client_config(self._ask("POST", "clientConfig", body=body, checks_manager=False))

    # --- lists --------------------------------------------------------------------------------------------------------
    def assets(self, page_index: int = 0) -> Page:
        """A page of the apps and books: Apple's dictionaries, not checked."""
        return read_page(self._ask("GET", "getAssets", params=_page_params(page_index)), "assets", page_index)

    def assignments(self, page_index: int = 0, *, since_version: str = "") -> Page:
        """A page of who has what: Apple's dictionaries, not checked. since_version: only what changed after that."""
        params = _page_params(page_index) | ({"sinceVersionId": since_version} if since_version else {})
        return read_page(self._ask("GET", "getAssignments", params=params), "assignments", page_index)

    # --- licences -----------------------------------------------------------------------------------------------------
    @cached_property
    def limits(self) -> Limits:
        return read_limits(self._service)

    def associate(self, assets: Iterable[tuple[str, str]], serials: Sequence[str]) -> str:
        """Give each of the devices a licence of each of the assets (adamId, pricingParam). Returns the event's id."""
        return self._manage("associateAssets", assets, serials)

    def disassociate(self, assets: Iterable[tuple[str, str]], serials: Sequence[str]) -> str:
        """Take the licences back. Returns the event's id."""
        return self._manage("disassociateAssets", assets, serials)

    def event(self, event_id: str) -> EventStatus:
        """How far an event has come. Raises UnknownEvent and others."""
        return read_event(self._ask("GET", "eventStatus", params={"eventId": event_id}))

    def _manage(self, name: str, assets: Iterable[tuple[str, str]], serials: Sequence[str]) -> str:
        pairs = [{"adamId": adam_id, "pricingParam": pricing} for adam_id, pricing in assets]
        answer = self._ask("POST", name, body={"assets": pairs, "serialNumbers": list(serials)})
        event_id = answer.get("eventId")
        if not isinstance(event_id, str) or not 0 < len(event_id) <= MAX_ID_LENGTH:
            raise BadAnswer("Apps and Books did not say by what id the change can be followed.")
        return event_id

    # --- requests -----------------------------------------------------------------------------------------------------
    @cached_property
    def _service(self) -> Mapping[str, Any]:
        """Asked for once in a conversation, which is short: Apple changes limits without notice."""
        return self._read(self._send("GET", SERVICE_CONFIG, {}))

    def _path(self, name: str) -> str:
        """As the service configuration says, as long as it is on the server that the setting names."""
        urls = self._service.get("urls")
        url = urls.get(name) if isinstance(urls, Mapping) else None
        base = f"{self._peer.base_url}/"
        is_ours = isinstance(url, str) and url.startswith(base) and not any(one in url for one in "?#")
        return url[len(base) - 1 :] if is_ours else PATHS[name]

    def _ask(
        self,
        method: str,
        name: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        checks_manager: bool = True,
    ) -> dict[str, Any]:
        answer = self._read(self._send(method, self._path(name), self._authorization, params, body))
        self.token_expires_at = read_time(answer.get("tokenExpirationDate")) or self.token_expires_at
        manager = answer.get("mdmInfo")
        if checks_manager and self.checks_manager and self._mdm_id and isinstance(manager, Mapping):
            other = manager.get("id")
            if isinstance(other, str) and other not in ("", self._mdm_id):
                raise ManagedElsewhere("Another device management manages this location now.")
        return answer

    def _send(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str],
        params: Mapping[str, str] | None = None,
        body: Any = None,
    ) -> PeerAnswer:
        try:
            return self._peer.ask(method, path, headers=headers, params=params, json_body=body)
        except PeerUnreachable as error:
            raise Unreachable(str(error)) from error
        except PeerAnswerUnreadable as error:
            raise BadAnswer(str(error)) from error

    def _read(self, answer: PeerAnswer) -> dict[str, Any]:
        """The JSON object of a good answer; Apple may say 200 and send an error all the same."""
        try:
            value = answer.json_object()
        except PeerAnswerUnreadable as error:
            if answer.status == 200:
                raise BadAnswer("Apps and Books sent an answer that cannot be read.") from error
            value = {}
        if answer.status != 200 or value.get("errorNumber"):
            raise error_of(answer.status, value.get("errorNumber"), answer.retry_after_seconds)
        return value


def _page_params(page_index: int) -> dict[str, str]:
    return {"pageIndex": str(page_index)} if page_index else {}
