"""People sign in on the device that they set up, before it gets its profile.

Setup Assistant shows the page in a browser of its own that keeps no cookies for us: what is known of the device travels in
the form, signed, and for a short while. Source: Apple, "Authenticating Through Web Views" (`configuration_web_url`).
"""

from dataclasses import asdict

from django.contrib.auth import authenticate
from django.core import signing
from django.db import transaction

from devices.services.devices import update_device
from enrollment.models import DepSettings
from enrollment.services.ade import Arrival, log, recognize
from enrollment.services.ade_profiles import device_of, hand_out
from mdm.accounts.actors import Actor, Source
from mdm.accounts.models import Membership, User
from mdm.accounts.permissions import role_in
from mdm.common.text import clean_text
from mdm.events.models import Level
from mdm.protocol.machine_info import MachineInfo
from mdm.sign_in import lockout

SALT = "enrollment.ade.sign-in"
PASS_SECONDS = 15 * 60
MAX_EMAIL_LENGTH = 254
TRIES = 10


class SignInError(Exception):
    """Nobody has signed in; str(error) is a sentence for whoever tried."""


class PassExpired(SignInError):
    """What the form knew of the device is too old, or not from here: the device has to open the page again."""


class WrongPassword(SignInError):
    """Nobody of the account has this address and password."""


class TooManyTries(SignInError):
    """For this person or this device; later it goes on."""


def make_pass(arrival: Arrival) -> str:
    """Says which device shows the page; only a device that has proved who it is gets one."""
    return signing.dumps({"settings": arrival.settings.pk, "info": asdict(arrival.info)}, salt=SALT)


def read_pass(settings: DepSettings, text: str) -> Arrival:
    """The device that the page was made for. Raises PassExpired; Unrecognized where the list lost it since."""
    try:
        found = signing.loads(text, salt=SALT, max_age=PASS_SECONDS)
    except signing.BadSignature as error:
        raise PassExpired("This page is too old. Go back and begin again.") from error
    if found.get("settings") != settings.pk:
        raise PassExpired("This page belongs to another device. Go back and begin again.")
    return recognize(settings, MachineInfo(**found["info"]))


def sign_in(arrival: Arrival, email: str, password: str) -> bytes:
    """The profile for the device, which is that person's from now on.

    Raises WrongPassword, TooManyTries, NoLicenceLeft.
    """
    email = clean_text(email, MAX_EMAIL_LENGTH).strip().lower()
    try:
        attempts = [lockout.begin([one]) for one in _counters(arrival, email)]
    except lockout.TooManyTries as error:
        _log_failure(arrival, email, TRIES + 1, "too many tries")
        raise TooManyTries("Too many wrong passwords. Wait ten minutes and try again.") from error
    # The same work for an address that nobody has: how long it takes tells nothing.
    user = authenticate(None, username=email, password=password)
    if user is None or role_in(user, arrival.settings.account) is None:
        _log_failure(arrival, email, max(one.number for one in attempts), "wrong e-mail address or password")
        raise WrongPassword("The e-mail address or the password is not right.")
    for attempt in attempts:
        attempt.succeeded()
    return _admit(arrival, user)


def _admit(arrival: Arrival, user: User) -> bytes:
    actor = Actor(Source.DEVICE, label=user.email, user_id=user.pk)
    with transaction.atomic():
        device = device_of(arrival)
        log("ade.signed_in", arrival.settings, arrival.info, actor=actor, device=device, email=user.email)
        update_device(device, email=user.email, actor=actor)
    return hand_out(arrival, actor=actor)


def _log_failure(arrival: Arrival, email: str, tries: int, why: str) -> None:
    """Who it was only if it is one of ours: a password typed into the wrong field must not stand in the log."""
    is_ours = Membership.objects.filter(account=arrival.settings.account_id, user__email=email).exists()
    level = Level.ERROR if tries >= TRIES else Level.WARNING
    facts = {"email": email if is_ours else "", "tries": tries, "why": why, "device": arrival.listed.device}
    log("ade.sign_in_failed", arrival.settings, arrival.info, level=level, **facts)


def _counters(arrival: Arrival, email: str) -> tuple[lockout.Counter, lockout.Counter]:
    """The device first: what is refused because of it is not held against the person."""
    account, serial_number = arrival.settings.account_id, arrival.info.serial_number.upper()
    return (
        lockout.counter("device that is set up", f"{account}\n{serial_number}", most=TRIES),
        lockout.counter("person who sets a device up", f"{account}\n{email}", most=TRIES),
    )
