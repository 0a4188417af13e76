"""The hot path: store a device's answer, hand out its next command.

One exchange is one SELECT and, if there is anything to write, one UPDATE of the (at most two) commands concerned, plus
one UPDATE of the channel when its last-seen time is old. The SQL is written by hand so that every backend does exactly
that; `tests/mdm/endpoints/test_connect_statements.py` counts it.

Rules: the oldest command without a final answer is handed out, again and again until it has one. After NotNow the others
are offered, and the postponed one comes back when the device says Idle. What lets a device in Setup Assistant go on overtakes
all others: one that a device never answers must not keep its person waiting. Whatever happened between the SELECT and the
UPDATE (an operator cancelled, the device connected twice) shows in the number of rows changed; then it is read again.
"""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone

from mdm.channels.models import GONE, Channel, ChannelState
from mdm.commands.models import Command
from mdm.commands.states import FINAL, STATE_AFTER, ApplyState, State
from mdm.common.fields import Sealed
from mdm.events import micromdm
from mdm.events.micromdm import IS_TOLD_SQL, Heard
from mdm.protocol.report import Report

ATTEMPTS = 5

_SELECT = f"""
SELECT ch.id, ch.account_id, ch.device_id, ch.device_key, ch.state, ch.last_seen_at,
       a.id, a.state, a.secret_id,
       n.id, n.state, n.command_uuid, n.request_type, n.parameters, n.secrets, n.raw_plist, n.secret_id,
       {IS_TOLD_SQL}
FROM mdm_channels_channel ch
LEFT JOIN mdm_commands_command a ON a.channel_id = ch.id AND a.command_uuid = %s
LEFT JOIN mdm_commands_command n ON n.id = COALESCE(
  CASE WHEN ch.awaiting_configuration THEN (
    SELECT MIN(r.id) FROM mdm_commands_command r
    WHERE r.channel_id = ch.id AND r.state IN ('queued', 'sent') AND r.command_uuid <> %s
      AND r.request_type IN ('DeviceConfigured', 'UserConfigured')
      AND (r.not_now_at IS NULL OR %s)
      AND (r.state = 'sent' OR r.expires_at IS NULL OR r.expires_at > %s)) END,
  (
    SELECT c.id FROM mdm_commands_command c
    WHERE c.channel_id = ch.id AND c.state IN ('queued', 'sent') AND c.command_uuid <> %s
      AND (c.not_now_at IS NULL OR %s)
      AND (c.state = 'sent' OR c.expires_at IS NULL OR c.expires_at > %s)
    ORDER BY c.id LIMIT 1))
WHERE ch.fingerprint = %s AND ch.user_key = %s
"""  # noqa: S608  (a text of ours)


class UnknownChannel(Exception):
    """No channel is bound to that certificate and user."""


@dataclass(frozen=True)
class Exchange:
    """What one connect found and did. answered says what became of the report: see `Answered`."""

    channel_id: int
    account_id: int
    device_id: int
    device_key: str
    state: str
    answered: str
    next_command: Command | None


class Answered:
    NOTHING = ""  # the device said Idle
    STORED = "stored"
    POSTPONED = "postponed"
    REPEATED = "repeated"  # the command had its final answer already: nothing was changed
    UNKNOWN = "unknown"  # no such command on this channel: nothing was changed


class ChannelGone(Exception):
    """The channel is closed: `state` says whether the device left by itself (closed) or must go (leaving)."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(f"the channel is {exchange.state}")
        self.exchange = exchange


class NotThisDevice(Exception):
    """The certificate belongs to another device than the one that the message names."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__("the certificate belongs to another device")
        self.exchange = exchange


def exchange(fingerprint: str, report: Report, *, ip: str | None, heard: Heard | None = None) -> Exchange:
    """Store the report and take the next command; at most 3 statements and 1 commit, none of them a write for a quiet Idle.

    heard: the message for those that are told of each, which costs two statements more where there are such; None: none is.
    Raises UnknownChannel, NotThisDevice, ChannelGone; then nothing was changed.
    """
    stored_before = False
    database = connections[DEFAULT_DB_ALIAS]
    with database.cursor() as cursor:
        for _ in range(ATTEMPTS):
            now = timezone.now()
            at = database.ops.adapt_datetimefield_value(now)
            found = _look(cursor, fingerprint, report, at)
            result = found.exchange(report, stored_before)
            if found.device_key != report.key.device_id:
                raise NotThisDevice(result)
            if found.state in GONE:
                raise ChannelGone(result)
            tells = heard is not None and found.is_told
            if _execute(cursor, _writes(found, report, ip, now, at), partial(_tell, heard, found) if tells else None):
                return result
            heard = None  # told with what was stored; what follows only reads the rest again
            stored_before = stored_before or result.answered in (Answered.STORED, Answered.POSTPONED)
    # Each round stored what it could, so the answer is safe; only a next command could not be had. The device asks again.
    return replace(result, next_command=None)


class _Found(NamedTuple):
    """The row of `_SELECT`: the channel, the command that was answered, the command to hand out."""

    channel_id: int
    account_id: int
    device_id: int
    device_key: str
    state: str
    last_seen_at: datetime | None
    answered_id: int | None
    answered_state: str | None
    answered_secret_id: object
    next_id: int | None
    next_state: str | None
    next_uuid: str
    next_request_type: str
    next_parameters: str
    next_secrets: bytes | None
    next_raw_plist: bytes | None
    next_secret_id: object
    is_told: bool

    @property
    def accepts_answer(self) -> bool:
        return self.answered_id is not None and self.answered_state not in FINAL

    def exchange(self, report: Report, stored_before: bool) -> Exchange:
        if report.is_idle:
            answered = Answered.NOTHING
        elif self.answered_id is None:
            answered = Answered.UNKNOWN
        elif self.accepts_answer:
            answered = Answered.POSTPONED if report.is_not_now else Answered.STORED
        else:
            answered = Answered.STORED if stored_before else Answered.REPEATED
        return Exchange(
            self.channel_id,
            self.account_id,
            self.device_id,
            self.device_key,
            self.state,
            answered,
            self.next_command(),
        )

    def next_command(self) -> Command | None:
        if self.next_id is None or self.state != ChannelState.OPEN:
            return None
        values = {
            "id": self.next_id,
            "account_id": self.account_id,
            "channel_id": self.channel_id,
            "command_uuid": self.next_uuid,
            "request_type": self.next_request_type,
            "parameters": json.loads(self.next_parameters),
            "secrets": _sealed(self.next_secrets, None),
            "raw_plist": _sealed(self.next_raw_plist, b""),
            "secret_id": as_uuid(self.next_secret_id),
        }
        return Command.from_db(DEFAULT_DB_ALIAS, _NEXT_FIELDS, [values[name] for name in _NEXT_FIELDS])


# What `_SELECT` reads of the next command, in the order of the model's fields as `from_db` wants it.
_NEXT_FIELDS = [
    field.attname
    for field in Command._meta.concrete_fields
    if field.attname
    in {
        *("id", "account_id", "channel_id", "command_uuid", "request_type"),
        *("parameters", "secrets", "raw_plist", "secret_id"),
    }
]


def _look(cursor: CursorWrapper, fingerprint: str, report: Report, at: object) -> _Found:
    which = [report.command_uuid, report.is_idle, at]
    cursor.execute(_SELECT, [report.command_uuid, *which, *which, fingerprint, report.key.user_id])
    row = cursor.fetchone()
    if row is None:
        raise UnknownChannel("no channel is bound to this certificate")
    return _Found(*row[:5], _aware(row[5]), *row[6:])


def _writes(found: _Found, report: Report, ip: str | None, now: datetime, at: object) -> list[tuple[str, list, int]]:
    """Statements to execute, each with its values and the number of rows that it must change; at is the database's now."""
    writes = []
    takes = found.next_id is not None and found.next_state == State.QUEUED and found.state == ChannelState.OPEN
    if found.accepts_answer or takes:
        writes.append(_command_write(found, report, at, takes))
    if (
        found.last_seen_at is None
        or (now - found.last_seen_at).total_seconds() >= settings.LAST_SEEN_RESOLUTION_SECONDS
    ):
        sql = "UPDATE mdm_channels_channel SET last_seen_at = %s, last_seen_ip = %s WHERE id = %s"
        writes.append((sql, [at, ip, found.channel_id], 1))
    return writes


def _command_write(found: _Found, report: Report, at: object, takes: bool) -> tuple[str, list, int]:
    """One UPDATE for the answered and the next command: each column takes its value by the row's id."""
    ids, cases, values = [], {}, []
    if found.accepts_answer:
        ids.append(found.answered_id)
        cases |= {column: (found.answered_id, value) for column, value in _answer_columns(found, report, at).items()}
    if takes:
        ids.append(found.next_id)
    assignments = []
    for column, (row_id, value) in cases.items():
        if column != "state":
            assignments.append(f"{column} = CASE WHEN id = %s THEN %s ELSE {column} END")
            values += [row_id, value]
    if found.accepts_answer and report.is_not_now:
        assignments.append("not_now_count = CASE WHEN id = %s THEN not_now_count + 1 ELSE not_now_count END")
        values.append(found.answered_id)
    if takes:
        assignments.append("sent_at = CASE WHEN id = %s THEN %s ELSE sent_at END")
        values += [found.next_id, at]
    assignments.append("state = CASE WHEN id = %s THEN %s ELSE 'sent' END")
    values += [found.answered_id or 0, cases["state"][1] if cases else "sent"]
    marks = ", ".join(["%s"] * len(ids))
    # Only column names of this module and marks for values go into the text.
    sql = (
        f"UPDATE mdm_commands_command SET {', '.join(assignments)} "  # noqa: S608
        f"WHERE id IN ({marks}) AND state IN ('queued', 'sent')"
    )
    return sql, values + ids, len(ids)


def _answer_columns(found: _Found, report: Report, at: object) -> dict[str, object]:
    if report.is_not_now:
        return {"state": State.QUEUED.value, "status": report.status, "not_now_at": at}
    sealed = Command._meta.get_field("result").seal(report.raw, as_uuid(found.answered_secret_id))
    return {
        "state": STATE_AFTER[report.status].value,
        "status": report.status,
        "result": sealed,
        "finished_at": at,
        "apply_state": ApplyState.PENDING.value,
    }


def _execute(cursor: CursorWrapper, writes: list[tuple[str, list, int]], tell: Callable[[], None] | None) -> bool:
    """Run the statements in one commit. False if rows changed meanwhile, so that fewer were written than expected."""
    if len(writes) <= 1 and tell is None:
        return not writes or _run(cursor, *writes[0])
    with transaction.atomic():
        # Every statement runs even if the first one missed a row: what it did write stands, and the rest is read again.
        done = [_run(cursor, *write) for write in writes]
        if tell is not None:
            tell()
    return all(done)


def _tell(heard: Heard, found: _Found) -> None:
    micromdm.tell(heard, account_id=found.account_id, device_id=found.device_id)


def _run(cursor: CursorWrapper, sql: str, values: list, rows: int) -> bool:
    cursor.execute(sql, values)
    return cursor.rowcount == rows


def _sealed(value: bytes | None, empty: object) -> object:
    return empty if value is None else Sealed(bytes(value))


def as_uuid(value: object) -> uuid.UUID:
    """PostgreSQL gives a UUID, SQLite its 32 hexadecimal digits."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(str(value))


def _aware(value: datetime | None) -> datetime | None:
    """SQLite gives naive times in UTC."""
    return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


def device_of(exchange: Exchange) -> object:
    """The Device of an exchange, for a line in the log."""
    return Channel.objects.select_related("device").get(pk=exchange.channel_id).device
