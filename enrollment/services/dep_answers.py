"""What Apple answered when enrollment settings were assigned, device by device. Source: Apple, "Assign a Profile"."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import timezone

from enrollment.dep_client import ProfileAnswer
from enrollment.models import AssignState, DepDevice, DepSettings
from mdm.common.pauses import pause_seconds
from mdm.events.models import Level
from mdm.events.services import emit

SUCCESS = "SUCCESS"
THROTTLED = "THROTTLED"
FIRST_RETRY_SECONDS = 10 * 60
LONGEST_RETRY_SECONDS = 24 * 3600
MOST_ATTEMPTS = 1000  # counted no further
_WORDS = {
    "NOT_ACCESSIBLE": "Apple does not let this server reach the device: it was released, or belongs to another server.",
    "FAILED": "Apple could not assign the settings to this device.",
    "": "Apple did not say what became of this device.",
    THROTTLED: "Apple asks to wait before this device is assigned again.",
}


def store_answer(settings: DepSettings, asked: Sequence[DepDevice], answer: ProfileAnswer) -> None:
    """In a transaction that has the server's lock. asked: as they were read before Apple was asked.

    A device of which a sync learned something else meanwhile stays due, and is asked for again.
    """
    now = timezone.now()
    words: dict[str, list[DepDevice]] = defaultdict(list)
    for device in asked:
        words[answer.statuses.get(device.serial_number, "")].append(device)
    accepted = words.pop(SUCCESS, [])
    _accept(settings, accepted, now)
    for word, devices in words.items():
        _refuse(settings, devices, word, answer.retry_after_seconds, now)
    refusals = Counter({word or "no answer": len(devices) for word, devices in words.items()})
    emit(
        "dep_settings.assigned",
        account_id=settings.account_id,
        level=Level.WARNING if refusals.keys() - {THROTTLED} else Level.INFO,
        dep_server_id=settings.server_id,
        name=settings.server.name,
        devices=len(accepted),
        refused=dict(refusals),
    )


def words_for(status: str) -> str:
    return _WORDS.get(status) or f"Apple refused the device: {status}."


def _accept(settings: DepSettings, devices: Sequence[DepDevice], now: datetime) -> None:
    by_former: dict[str, list[int]] = defaultdict(list)
    for device in devices:
        by_former[device.profile_uuid].append(device.pk)
    for former, keys in by_former.items():
        settings.server.dep_devices.filter(pk__in=keys, profile_uuid=former).update(
            profile_uuid=settings.profile_uuid,
            profile_status="assigned",
            profile_assign_time=now,
            assign_state=AssignState.ASSIGNED,
            assign_error="",
            assign_attempts=0,
            assign_due_at=None,
        )


def _refuse(settings: DepSettings, devices: Sequence[DepDevice], word: str, asked_for: float, now: datetime) -> None:
    """Each is tried again by itself, later every time; a throttled one when Apple says, and it counts as no refusal."""
    is_throttled = word == THROTTLED
    by_attempts: dict[int, list[int]] = defaultdict(list)
    for device in devices:
        by_attempts[device.assign_attempts].append(device.pk)
    for attempts, keys in by_attempts.items():
        pause = pause_seconds(
            attempts,
            first=FIRST_RETRY_SECONDS,
            longest=LONGEST_RETRY_SECONDS,
            asked_for=asked_for if is_throttled else 0.0,
        )
        settings.server.dep_devices.filter(pk__in=keys).update(
            assign_state=AssignState.WAITING if is_throttled else AssignState.REFUSED,
            assign_error=words_for(word)[:200],
            assign_attempts=min(attempts + 1, MOST_ATTEMPTS),
            assign_due_at=now + timedelta(seconds=pause),
        )
