from datetime import timedelta

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Exists, F, OuterRef

# Of the login that an invitation made, and the moment in which it was accepted: one transaction wrote both.
AT_ONCE = timedelta(minutes=1)


def note_proofs(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Superusers are vouched for by whoever runs the server; a login that a mailed invitation made is its reader's.

    A login that was there before it accepted a mailed invitation stays unproved: somebody else may know its password.
    """
    users = apps.get_model("mdm_accounts", "User").objects.filter(email_proved_at=None)
    mailed = apps.get_model("mdm_accounts", "PersonInvitation").objects.filter(
        email=OuterRef("email"),
        sent_at__isnull=False,
        accepted_at__gte=OuterRef("created_at") - AT_ONCE,
        accepted_at__lte=OuterRef("created_at") + AT_ONCE,
    )
    users.filter(is_superuser=True).update(email_proved_at=F("created_at"))
    users.filter(Exists(mailed)).update(email_proved_at=F("created_at"))


class Migration(migrations.Migration):
    dependencies = [("mdm_accounts", "0005_user_email_proved_at")]

    operations = [migrations.RunPython(note_proofs, migrations.RunPython.noop)]
