"""What the parts of the server tell about themselves: rows of the installation, which belong to no account."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class ProcessKind(models.TextChoices):
    WEB = "web", _("Web server")
    WORKER = "worker", _("Worker")
    SCHEDULE = "schedule", _("Schedule")


class Heartbeat(models.Model):
    """One process that says again and again that it is alive. Few, narrow, and each written by one process alone."""

    kind = models.CharField(max_length=10, choices=ProcessKind)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    version = models.CharField(max_length=40, blank=True, help_text="Of Pomona.")
    lanes = models.PositiveSmallIntegerField(null=True, help_text="How many tasks a worker does at a time.")
    started_at = models.DateTimeField()
    heard_at = models.DateTimeField()
    stopped_at = models.DateTimeField(null=True, help_text="It was told to end, and said so.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["host", "pid"], name="one_heartbeat_per_process")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.pid} on {self.host}"


class ScheduledRun(models.Model):
    """When a task of the schedule last came to an end. Written every few seconds at the most, however often it runs."""

    task = models.CharField(max_length=200, unique=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    error = models.CharField(max_length=200, blank=True, help_text="The kind of error that it broke off with.")

    def __str__(self) -> str:
        return self.task


class Probe(models.Model):
    """What a worker found when it last tried a part that is too slow, or too far away, to be tried while a page is made."""

    name = models.CharField(max_length=40, unique=True)
    at = models.DateTimeField()
    took_ms = models.PositiveIntegerField()
    error = models.CharField(max_length=200, blank=True, help_text="Empty: it works.")

    def __str__(self) -> str:
        return self.name
