from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("mdm_channels", "0001_initial")]

    operations = [
        migrations.AddField("channel", "awaiting_since", models.DateTimeField(null=True)),
        migrations.AlterField(
            "channel",
            "awaiting_configuration",
            models.BooleanField(default=False, help_text="It waits in Setup Assistant until it is told to go on."),
        ),
        migrations.AddIndex(
            "channel",
            models.Index(fields=["id"], condition=Q(awaiting_configuration=True), name="channel_awaiting"),
        ),
    ]
