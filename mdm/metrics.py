"""What /metrics shows: gauges counted in the database at each scrape, the same whichever process answers."""

from collections.abc import Iterator

from django.db.models import Count, Q
from django.utils import timezone
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric

from devices.models import Device
from mdm.channels.models import Channel
from mdm.commands.models import Command
from mdm.commands.states import WAITING, ApplyState
from mdm.events import forwarding
from mdm.push.models import PushCertificate


class DatabaseCollector:
    """Seven statements whatever the number of devices; indexes serve those on large tables."""

    def collect(self) -> Iterator[Metric]:
        devices = GaugeMetricFamily("pomona_devices", "Devices by state.", labels=["state"])
        counted = Device.objects.filter(removed_at=None).values_list("state").annotate(number=Count("pk")).order_by()
        for state, number in counted:
            devices.add_metric([state], number)
        yield devices
        waiting = Command.objects.filter(state__in=WAITING).count()
        yield GaugeMetricFamily("pomona_commands_waiting", "Commands without a final answer.", value=waiting)
        unread = Command.objects.filter(apply_state=ApplyState.PENDING).count()
        yield GaugeMetricFamily("pomona_answers_unread", "Stored answers that no worker has read yet.", value=unread)
        now = timezone.now()
        pushes = Channel.objects.filter(push_due_at__isnull=False).aggregate(
            due=Count("pk", filter=Q(push_due_at__lte=now)), later=Count("pk", filter=Q(push_due_at__gt=now))
        )
        yield GaugeMetricFamily("pomona_pushes_due", "Pushes that should have been sent by now.", value=pushes["due"])
        yield GaugeMetricFamily(
            "pomona_pushes_later", "Pushes being sent or waiting to be retried.", value=pushes["later"]
        )
        oldest = forwarding.waiting().order_by("pk").values_list("at", flat=True).first()
        yield GaugeMetricFamily(
            "pomona_log_lines_to_forward",
            "Lines that the collector of logs has yet to take.",
            value=forwarding.waiting().count(),
        )
        age = (now - oldest).total_seconds() if oldest else 0
        yield GaugeMetricFamily("pomona_log_forward_age_seconds", "How old the oldest of them is.", value=max(age, 0))
        days = GaugeMetricFamily(
            "pomona_push_certificate_days_left", "Days until a push certificate expires.", labels=["account"]
        )
        for certificate in PushCertificate.objects.only("account_id", "not_after"):
            days.add_metric([str(certificate.account_id)], certificate.days_left)
        yield days


REGISTRY = CollectorRegistry()
REGISTRY.register(DatabaseCollector())
