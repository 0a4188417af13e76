from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("mdm_commands", "0002_autovacuum")]

    operations = [
        migrations.AddField(
            model_name="command",
            name="not_now_count",
            field=models.PositiveIntegerField(default=0, help_text="How often the device asked for more time."),
        ),
    ]
