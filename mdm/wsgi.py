"""Entry for the WSGI server."""

import gc
import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

from mdm.celery import app as celery_app
from mdm.edge import DEVICE_URLCONF

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mdm.settings")

application = get_wsgi_application()

# What the first devices would otherwise wait for: the modules of the device URLs and of the broker's client.
for urlconf in (DEVICE_URLCONF, settings.ROOT_URLCONF):
    get_resolver(urlconf).url_patterns  # noqa: B018
celery_app.connection_for_write().release()

# What is loaded by now stays for good: the garbage collector need not look at it again and again.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)

from mdm.running.heartbeats import start_beating  # noqa: E402 models can be loaded from here on
from mdm.running.models import ProcessKind  # noqa: E402

start_beating(ProcessKind.WEB)
