"""Settings of the tests: those of the product, quicker where quickness changes nothing that is tested."""

import atexit
import os
import shutil
import tempfile

os.environ.setdefault("DATA_DIR", tempfile.mkdtemp(prefix="pomona-test-"))

from mdm.settings import *  # noqa: F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
CELERY_TASK_ALWAYS_EAGER = True
CELERY_TASK_EAGER_PROPAGATES = True
NUDGE_SECONDS = 0
HEARTBEAT_SECONDS = 0
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
ALLOWED_HOSTS = ["*"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
WHITENOISE_AUTOREFRESH = True
# `make test` names the data directory of `make run`: no test leaves files there.
MEDIA_ROOT = tempfile.mkdtemp(prefix="pomona-test-files-")
atexit.register(shutil.rmtree, MEDIA_ROOT, ignore_errors=True)
