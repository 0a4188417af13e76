"""Messages that wait keep the name under which their receivers may know them already."""

from typing import Any

from django.db import migrations, models
from django.db.models import CharField, F, OuterRef, Subquery
from django.db.models.functions import Cast

import mdm.events.models


def name_messages(apps: Any, schema_editor: Any) -> None:
    deliveries = apps.get_model("mdm_events", "WebhookDelivery").objects
    event = apps.get_model("mdm_events", "Event").objects.filter(pk=OuterRef("event_id"))
    deliveries.exclude(event=None).update(message_id=Subquery(event.values("log_id")[:1]))
    deliveries.filter(event=None).update(message_id=Cast(F("pk"), CharField()))


class Migration(migrations.Migration):
    dependencies = [("mdm_events", "0003_telling_more")]

    operations = [
        migrations.RunPython(name_messages, migrations.RunPython.noop),
        migrations.AlterField(
            model_name="webhookdelivery",
            name="message_id",
            field=models.CharField(
                default=mdm.events.models.new_log_id, help_text="What the receiver knows it by.", max_length=64
            ),
        ),
    ]
