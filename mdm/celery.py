"""The Celery app and the one list of what runs when. Tasks carry ids, may run twice and may be lost; rows are the truth."""

import os

from celery import Celery

from mdm.common import file_broker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mdm.settings")

file_broker.register()
app = Celery("pomona")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.autodiscover_tasks(["mdm.endpoints"])

MINUTE = 60
app.conf.beat_schedule = {
    "send pushes that are due": {"task": "mdm.push.tasks.send_due_pushes", "schedule": 15},
    "wake devices whose commands wait": {"task": "mdm.commands.tasks.nudge_waiting", "schedule": 5 * MINUTE},
    "apply answers that were left": {"task": "mdm.endpoints.tasks.apply_results", "schedule": 15},
    "expire old commands": {"task": "mdm.commands.tasks.expire_commands", "schedule": 10 * MINUTE},
    "forget old answers": {"task": "mdm.commands.tasks.prune_results", "schedule": 24 * 60 * MINUTE},
    "renew identity certificates": {"task": "enrollment.tasks.renew_identities", "schedule": 6 * 60 * MINUTE},
    "watch push certificates": {"task": "mdm.push.tasks.watch_certificates", "schedule": 12 * 60 * MINUTE},
}
