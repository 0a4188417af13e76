"""Scripts, and jobs that run them on Macs."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy

from devices.models.attribute import CustomAttribute
from devices.models.device import Device
from mdm.accounts.models import ApiKey
from mdm.accounts.scoping import AccountScoped
from mdm.common.fields import EncryptedTextField, SecretHolder
from mdm.common.tokens import new_job_id


class Script(AccountScoped):
    name = models.CharField(max_length=255)
    content = models.TextField(help_text="Begins with a shebang line, such as #!/bin/sh.")
    variable_support = models.BooleanField(default=False, help_text="Fill in custom attributes when it is run.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [models.Index(fields=["account", "id"], name="script_pages")]

    def __str__(self) -> str:
        return self.name


class RunAs(models.TextChoices):
    ROOT = "root", "root"
    CONSOLE_USER = "console_user", gettext_lazy("Whoever is signed in at the screen")


class ScriptJob(AccountScoped):
    """A script, as it was then, set to run on a number of Macs."""

    script = models.ForeignKey(Script, null=True, on_delete=models.SET_NULL, related_name="jobs")
    job_id = models.CharField(max_length=12, default=new_job_id, editable=False)
    name = models.CharField(max_length=255, blank=True)
    script_name = models.CharField(max_length=255)
    content = models.TextField()
    variable_support = models.BooleanField(default=False)
    custom_attribute = models.ForeignKey(
        CustomAttribute, null=True, on_delete=models.SET_NULL, related_name="+", help_text="Gets the output."
    )
    custom_attribute_regex = models.CharField(
        max_length=500, blank=True, help_text="What is taken out of the output before."
    )
    # Written down when it begins: the attribute may be gone when the output comes.
    is_output_secret = models.BooleanField(default=False, editable=False)
    run_as = models.CharField(max_length=20, choices=RunAs, default=RunAs.ROOT)
    timeout_seconds = models.PositiveIntegerField(default=3600, help_text="The Mac ends the script after so long.")
    created_by = models.CharField(max_length=200, blank=True)
    api_key = models.ForeignKey(
        ApiKey, null=True, on_delete=models.SET_NULL, related_name="+", db_index=False, help_text="That began it."
    )
    # Of the form that ordered it: sent twice, it is still one job.
    order_token = models.UUIDField(null=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    cancelled_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True, editable=False, help_text="When its last Mac was done with it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "order_token"],
                condition=Q(order_token__isnull=False),
                name="one_script_job_for_an_order",
            )
        ]
        indexes = [models.Index(fields=["account", "id"], name="script_job_pages")]

    def __str__(self) -> str:
        return f"{self.script_name} {self.job_id}"

    @property
    def hides_output(self) -> bool:
        """What its Macs print is for a secret attribute, or was."""
        return self.is_output_secret or (self.custom_attribute is not None and self.custom_attribute.is_secret)


class RunState(models.TextChoices):
    PENDING = "pending", gettext_lazy("Pending")
    SENT = "sent", gettext_lazy("Sent")  # handed out, and not answered yet
    COMPLETED = "completed", gettext_lazy("Completed")
    ERROR = "error", gettext_lazy("Error")
    CANCELLED = "cancelled", gettext_lazy("Cancelled")


class ScriptRun(AccountScoped, SecretHolder):
    """A job on one Mac. Output that belongs to a secret attribute waits for it in `sealed_response`, never in `response`."""

    job = models.ForeignKey(ScriptJob, on_delete=models.CASCADE, related_name="runs")
    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="script_runs", db_index=False)
    state = models.CharField(max_length=20, choices=RunState, default=RunState.PENDING)
    status_code = models.CharField("exit code", max_length=20, blank=True)
    response = models.TextField("output", blank=True)
    sealed_response = EncryptedTextField()
    is_output_due = models.BooleanField(default=False, help_text="The output is yet to become a custom attribute.")
    # Of the one process of the agent that may run it: what the Mac asks for twice is never run twice.
    claim = models.CharField(max_length=64, blank=True)
    began_at = models.DateTimeField(null=True, help_text="When the Mac said that it is about to run it.")
    ending = models.CharField(max_length=20, blank=True, help_text="Why it ended, if not by itself: timeout, reboot…")
    output_bytes = models.BigIntegerField(default=0, help_text="What it printed, of which a bounded part is kept.")
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "device"], name="one_run_per_device")]
        indexes = [
            models.Index(fields=["device", "state", "id"], name="script_run_queue"),
            # Whether a job waits for any.
            models.Index(fields=["job"], condition=Q(state__in=["pending", "sent"]), name="script_run_open"),
            models.Index(fields=["sent_at"], condition=Q(state=RunState.SENT), name="script_run_unanswered"),
            models.Index(fields=["finished_at"], condition=Q(is_output_due=True), name="script_run_output_due"),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} on {self.device_id}: {self.state}"


class ScriptAgent(AccountScoped, SecretHolder):
    """The line by which a Mac fetches its scripts: its token arrives there in a managed profile."""

    device = models.OneToOneField(Device, on_delete=models.CASCADE, related_name="script_agent")
    token = EncryptedTextField()
    token_digest = models.CharField(max_length=64, unique=True)
    command_uuid = models.CharField(max_length=64, blank=True, help_text="Of the command that takes the token there.")
    version = models.CharField("agent version", max_length=40, blank=True)
    package_command_uuid = models.CharField(
        max_length=64, blank=True, help_text="Of the command that takes the agent itself there."
    )
    package_sent_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    last_seen_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"Agent of {self.device_id}"
