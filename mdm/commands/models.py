import uuid
from collections.abc import Mapping
from typing import Any

from django.db import models
from django.db.models import Q

from mdm.accounts.scoping import AccountScoped
from mdm.channels.models import Channel
from mdm.commands.states import WAITING, ApplyState, State
from mdm.common.fields import EncryptedBinaryField, EncryptedJSONField, SecretHolder
from mdm.protocol import plist

# What devices are asked for again and again, so that it is most of the table.
ROUTINE = (
    "DeviceInformation",
    "SecurityInfo",
    "InstalledApplicationList",
    "ProfileList",
    "CertificateList",
)


def new_command_uuid() -> str:
    return str(uuid.uuid4()).upper()


class Command(AccountScoped, SecretHolder):
    """One request type queued for one channel: a recipe, completed when it is delivered. The queue is this table."""

    # Its index is that of `command_by_uuid`.
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="commands", db_index=False)
    command_uuid = models.CharField("CommandUUID", max_length=64, default=new_command_uuid)
    request_type = models.CharField("request type", max_length=64)
    parameters = models.JSONField(default=dict, help_text="Apple's keys; secret ones are kept apart.")
    secrets = EncryptedJSONField(help_text="Secret parameters, at their place in the parameters.")
    raw_plist = EncryptedBinaryField(help_text="An operator's own command, sent as it is.")
    state = models.CharField(max_length=20, choices=State, default=State.QUEUED)
    actor_label = models.CharField("sent by", max_length=200, blank=True)
    source = models.CharField(max_length=20, blank=True)

    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True)
    sent_at = models.DateTimeField(null=True)
    not_now_at = models.DateTimeField(null=True, help_text="When the device last asked for more time.")
    not_now_count = models.PositiveIntegerField(default=0, help_text="How often the device asked for more time.")
    finished_at = models.DateTimeField(null=True)

    status = models.CharField("Status", max_length=20, blank=True, help_text="What the device answered last.")
    error_chain = models.JSONField(null=True, help_text="The device's whole ErrorChain.")
    # The answer as it came (a plist), large ones of a megabyte and more: leave it out of every list.
    result = EncryptedBinaryField()
    apply_state = models.CharField(max_length=10, choices=ApplyState, default=ApplyState.NONE, blank=True)
    apply_attempts = models.PositiveSmallIntegerField(default=0)
    apply_due_at = models.DateTimeField(null=True)
    apply_error = models.TextField(blank=True)

    class Meta:
        constraints = [
            # The device's answer names its command.
            models.UniqueConstraint(fields=["channel", "command_uuid"], name="command_by_uuid"),
        ]
        indexes = [
            # The queue of a channel, oldest first: the lookup of every connect. Small, as only waiting rows are in it.
            models.Index(fields=["channel", "id"], condition=Q(state__in=WAITING), name="command_waiting"),
            models.Index(fields=["id"], condition=Q(apply_state=ApplyState.PENDING), name="command_to_apply"),
            models.Index(fields=["account", "-id"], name="command_newest_first"),
            models.Index(
                fields=["expires_at"],
                condition=Q(state__in=WAITING, expires_at__isnull=False),
                name="command_to_expire",
            ),
            # A number of the dashboard, and the list of what ended lately.
            models.Index(
                fields=["account", "state", "finished_at"],
                condition=Q(finished_at__isnull=False),
                name="command_ended_lately",
            ),
            # What is rare in the list of commands; whatever is common is found among its newest.
            models.Index(
                fields=["account", "state", "-id"],
                condition=~Q(state=State.ACKNOWLEDGED),
                name="command_not_acknowledged",
            ),
            models.Index(
                fields=["account", "request_type", "-id"],
                condition=~Q(request_type__in=ROUTINE),
                name="command_beside_routine",
            ),
            # Somebody looks for it by the whole CommandUUID.
            models.Index(fields=["command_uuid"], name="command_by_uuid_alone"),
        ]

    def __str__(self) -> str:
        return f"{self.request_type} {self.command_uuid[:8]}"

    @property
    def asked(self) -> Mapping[str, Any]:
        """What it asks, Apple's keys without the secret ones; an operator's own plist is read for it."""
        return plist.loads(self.raw_plist) if self.raw_plist else self.parameters

    @property
    def is_waiting(self) -> bool:
        return self.state in WAITING

    @property
    def can_be_cancelled(self) -> bool:
        return self.state == State.QUEUED
