"""Inviting somebody to enroll a device."""

import re
from dataclasses import asdict
from functools import partial

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from devices.services.devices import update_device
from enrollment.models import Enrollment
from enrollment.services.errors import EnrollmentError
from enrollment.services.links import why_closed
from enrollment.tasks import send_invitation as send_invitation_task
from mdm.accounts.actors import Actor

MAX_CONTACT_LENGTH = 254
_PHONE = re.compile(r"^[+(]?[\d\s()./-]{5,}$")


def send_invitation(enrollment: Enrollment, contact: str, actor: Actor) -> None:
    """E-mail the enrollment link to contact; a worker sends it after the commit.

    Raises EnrollmentError for a phone number (there is no SMS provider), a bad address or a closed link.
    """
    contact = contact.strip()
    if _PHONE.match(contact):
        raise EnrollmentError("Invitations are sent by e-mail only: give an e-mail address, not a phone number.")
    try:
        validate_email(contact)
    except ValidationError as error:
        raise EnrollmentError("This is not a valid e-mail address.") from error
    if len(contact) > MAX_CONTACT_LENGTH:
        raise EnrollmentError("This e-mail address is too long.")
    reason = why_closed(enrollment)
    if reason:
        raise EnrollmentError(f"This enrollment link is {reason} and cannot be used for an invitation.")
    if enrollment.device is not None and not enrollment.device.email:
        update_device(enrollment.device, email=contact, actor=actor)
    transaction.on_commit(partial(send_invitation_task.delay, enrollment.pk, contact, asdict(actor)))
