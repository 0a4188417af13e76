"""What the devices have said of FileVault already, in the column that lists filter by."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    devices = apps.get_model("devices", "Device").objects
    for answer in (True, False):
        devices.filter(security__FDE_Enabled=answer).update(has_filevault=answer)


class Migration(migrations.Migration):
    dependencies = [("devices", "0007_list_numbers_and_steps")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
