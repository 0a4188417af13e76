"""Every setting, read from the environment. A fresh clone runs with none set; `docs/settings.md` explains each."""

from pathlib import Path
from urllib.parse import urlsplit

import environ
import sentry_sdk
from django.conf.locale import LANG_INFO

from mdm.admin_settings import UNFOLD as UNFOLD
from mdm.embedded_keys import load_or_create

env = environ.Env()
ROOT = Path(__file__).resolve().parent.parent

# --- Where things live -----------------------------------------------------------------------------------------------
DATA_DIR = Path(env.str("DATA_DIR", default=str(ROOT / "var"))).resolve()
HOST = env.str("HOST", default="127.0.0.1")
PORT = env.int("PORT", default=8000)
BASE_URL = env.str("BASE_URL", default=f"http://127.0.0.1:{PORT}").rstrip("/")

# --- Keys ------------------------------------------------------------------------------------------------------------
SECRET_KEY = env.str("SECRET_KEY", default="")
# Comma list of `id:base64 of 32 bytes`; the first encrypts, all decrypt.
FIELD_ENCRYPTION_KEYS = env.list("FIELD_ENCRYPTION_KEYS", default=[])
USES_EMBEDDED_KEYS = not SECRET_KEY or not FIELD_ENCRYPTION_KEYS
if USES_EMBEDDED_KEYS:
    _keys = load_or_create(DATA_DIR)
    SECRET_KEY = SECRET_KEY or _keys.secret_key
    FIELD_ENCRYPTION_KEYS = FIELD_ENCRYPTION_KEYS or [_keys.field_encryption_key]

# --- Hosts and proxies -----------------------------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
_base = urlsplit(BASE_URL)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=[]) or ["127.0.0.1", "localhost", "[::1]", HOST, _base.hostname]
CSRF_TRUSTED_ORIGINS = [f"{_base.scheme}://{_base.netloc}"]
# Addresses or networks whose X-Forwarded-* and client certificate headers are believed.
TRUSTED_PROXIES = env.list("TRUSTED_PROXIES", default=[])
CLIENT_CERT_HEADER = env.str("CLIENT_CERT_HEADER", default="")
IS_HTTPS = _base.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_HTTPONLY = True
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_HSTS_SECONDS = 31536000 if IS_HTTPS else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# --- Device requests -------------------------------------------------------------------------------------------------
DEVICE_BODY_MAX_BYTES = env.int("DEVICE_BODY_MAX_BYTES", default=10 * 1024 * 1024)
LAST_SEEN_RESOLUTION_SECONDS = env.int("LAST_SEEN_RESOLUTION_SECONDS", default=60)
# How often the agents of Macs ask for scripts.
AGENT_POLL_SECONDS = env.int("AGENT_POLL_SECONDS", default=60)
RESULT_RETENTION_DAYS = env.int("RESULT_RETENTION_DAYS", default=90)
DATA_UPLOAD_MAX_MEMORY_SIZE = DEVICE_BODY_MAX_BYTES
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000  # a list in which a thousand devices are ticked
CHALLENGE_LIFETIME_SECONDS = env.int("CHALLENGE_LIFETIME_SECONDS", default=24 * 3600)
IDENTITY_LIFETIME_DAYS = env.int("IDENTITY_LIFETIME_DAYS", default=365)
IDENTITY_RENEWAL_DAYS = env.int("IDENTITY_RENEWAL_DAYS", default=30)

# --- Apple's services ------------------------------------------------------------------------------------------------
APNS_URL = env.str("APNS_URL", default="https://api.push.apple.com")
APNS_CA_FILE = env.str("APNS_CA_FILE", default="")
PUSH_VENDOR_CERTIFICATE = env.str("PUSH_VENDOR_CERTIFICATE", default="")
# A service that signs push certificate requests; without a key of one's own it is not asked.
MDMCERT_URL = env.str("MDMCERT_URL", default="https://mdmcert.download")
MDMCERT_API_KEY = env.str("MDMCERT_API_KEY", default="")
MDMCERT_CA_FILE = env.str("MDMCERT_CA_FILE", default="")
DEP_URL = env.str("DEP_URL", default="https://mdmenrollment.apple.com")
DEP_CA_FILE = env.str("DEP_CA_FILE", default="")
# Who vouches for devices that come through Automated Device Enrollment; nothing: Apple, whose certificate comes with Pomona.
APPLE_DEVICE_CA_FILE = env.str("APPLE_DEVICE_CA_FILE", default="")
# A device that waits in Setup Assistant for what it should have is let go on after so long.
AWAIT_CONFIGURATION_SECONDS = env.int("AWAIT_CONFIGURATION_SECONDS", default=15 * 60)
VPP_URL = env.str("VPP_URL", default="https://vpp.itunes.apple.com")
VPP_CA_FILE = env.str("VPP_CA_FILE", default="")
APP_STORE_URL = env.str("APP_STORE_URL", default="https://itunes.apple.com")
APP_STORE_CA_FILE = env.str("APP_STORE_CA_FILE", default="")
WEBHOOK_ALLOW_PRIVATE = env.bool("WEBHOOK_ALLOW_PRIVATE", default=False)

# --- Applications ----------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    # Only its templates and widgets: the site itself is ours (`mdm.apps.AdminConfig`).
    "unfold.apps.BasicAppConfig",
    "mdm.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_filters",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.usersessions",
    "mdm.accounts",
    "mdm.events",
    "mdm.running",
    "mdm.sign_in",
    "mdm.channels",
    "mdm.push",
    "mdm.commands",
    "mdm.virtual",
    "devices",
    "apps_catalog",
    "enrollment",
    "mdm.apps.CoreConfig",
]
# The first one answers device URLs by itself: no session, CSRF or authentication work on the hot path.
MIDDLEWARE = [
    "mdm.edge.DeviceEdge",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "mdm.accounts.middleware.CurrentAccount",
    "mdm.sign_in.middleware.SignedIn",
    "mdm.admin_uploads.AdminBodySize",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "mdm.urls"
APPEND_SLASH = False
WSGI_APPLICATION = "mdm.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_USER_MODEL = "mdm_accounts.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Signing in ------------------------------------------------------------------------------------------------------
# One OpenID Connect provider for the whole installation: its issuer, and what it knows Pomona by.
OIDC_URL = env.str("OIDC_URL", default="").rstrip("/")
OIDC_CLIENT_ID = env.str("OIDC_CLIENT_ID", default="")
OIDC_CLIENT_SECRET = env.str("OIDC_CLIENT_SECRET", default="")
OIDC_NAME = env.str("OIDC_NAME", default="single sign-on")
OIDC_CA_FILE = env.str("OIDC_CA_FILE", default="")
# For providers that do not say whether an address is verified, and let nobody choose their own.
OIDC_TRUSTS_EMAIL = env.bool("OIDC_TRUSTS_EMAIL", default=False)
# Passwords and passkeys are for superusers only.
OIDC_ONLY = env.bool("OIDC_ONLY", default=False)
# What allauth does here and how is said by the adapters; nothing of it has an address but what `mdm.sign_in` routes.
ACCOUNT_ADAPTER = "mdm.sign_in.account_adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
ACCOUNT_REAUTHENTICATION_METHODS = ("password", "mfa")
# Guesses are counted by `mdm.sign_in.lockout`.
ACCOUNT_RATE_LIMITS = {"login": None, "login_failed": None, "reauthenticate": None, "change_password": None}
ACCOUNT_FORMS = {
    "login": "mdm.sign_in.admin_pages.forms.SignInForm",
    "reauthenticate": "mdm.sign_in.admin_pages.forms.ConfirmPasswordForm",
    "change_password": "mdm.sign_in.admin_pages.forms.ChangePasswordForm",
    "set_password": "mdm.sign_in.admin_pages.forms.NewPasswordForm",
}
MFA_ADAPTER = "mdm.sign_in.second_factor.MfaAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_TOTP_TOLERANCE = 1  # a clock may be half a minute wrong
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_RATE_LIMITS = {"webauthn_login": "60/m/ip"}
MFA_FORMS = {
    "authenticate": "mdm.sign_in.admin_pages.forms.CodeForm",
    "reauthenticate": "mdm.sign_in.admin_pages.forms.ConfirmCodeForm",
    "authenticate_webauthn": "mdm.sign_in.admin_pages.forms.PasskeyForm",
    "reauthenticate_webauthn": "mdm.sign_in.admin_pages.forms.ConfirmPasskeyForm",
    "login_webauthn": "mdm.sign_in.admin_pages.forms.SignInPasskeyForm",
    "add_webauthn": "mdm.sign_in.admin_pages.forms.AddPasskeyForm",
    "edit_webauthn": "mdm.sign_in.admin_pages.forms.RenamePasskeyForm",
    "activate_totp": "mdm.sign_in.admin_pages.forms.SetUpAppForm",
}
SOCIALACCOUNT_ADAPTER = "mdm.sign_in.oidc.SocialAdapter"
SOCIALACCOUNT_STORE_TOKENS = False

# --- Database --------------------------------------------------------------------------------------------------------
DATABASE_URL = env.str("DATABASE_URL", default="")
if DATABASE_URL:
    DATABASES = {"default": env.db_url_config(DATABASE_URL)}
    DATABASES["default"]["OPTIONS"] = {
        **DATABASES["default"].get("OPTIONS", {}),
        # Bound on the server and prepared: half the database's work per exchange, and answers travel as binary.
        "server_side_binding": True,
        "prepare_threshold": 3,
        "pool": {"min_size": 1, "max_size": env.int("DATABASE_POOL_SIZE", default=20), "timeout": 30},
    }
else:
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": DATA_DIR / "pomona.sqlite3",
            "OPTIONS": {
                "timeout": 30,
                # A transaction that reads first and writes later would fail at once when another one wrote meanwhile.
                "transaction_mode": "IMMEDIATE",
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-20000;",
            },
            "TEST": {"NAME": DATA_DIR / "test.sqlite3"},
        }
    }

# --- Broker, cache, tasks --------------------------------------------------------------------------------------------
REDIS_URL = env.str("REDIS_URL", default="")
if REDIS_URL:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}}
    CELERY_BROKER_URL = REDIS_URL
    CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
else:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": DATA_DIR / "cache",
        }
    }
    CELERY_BROKER_URL = "files://localhost/"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(DATA_DIR / "broker"),
        "data_folder_out": str(DATA_DIR / "broker"),
        "control_folder": str(DATA_DIR / "broker-control"),
        "store_processed": False,
        "polling_interval": 0.2,
    }
    for _folder in ("broker", "broker-control", "cache"):
        (DATA_DIR / _folder).mkdir(parents=True, exist_ok=True)
# How often each process notes that it is alive, for the page "System status". 0: never.
HEARTBEAT_SECONDS = env.int("HEARTBEAT_SECONDS", default=20)
# Workers are told of new rows at most this often by each process.
NUDGE_SECONDS = env.float("NUDGE_SECONDS", default=1.0)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_TIME_LIMIT = 15 * 60
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# Nobody talks to the workers but through tasks; without this the file-system broker fills with broadcast files.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "beat-schedule")

# How fast the devices of one bulk operation are woken: what they then fetch is what the servers have to bear. 0: at once.
BULK_PUSHES_PER_SECOND = env.int("BULK_PUSHES_PER_SECOND", default=100)
# Devices whose inventory is older are asked for it anew, so that what they have lost comes back. 0: only when told to.
INVENTORY_HOURS = env.int("INVENTORY_HOURS", default=24)

# --- Files -----------------------------------------------------------------------------------------------------------
# `s3://BUCKET/PREFIX` (credentials from the usual AWS variables) or nothing for the data directory.
STORAGE_URL = env.str("STORAGE_URL", default="")
MEDIA_ROOT = DATA_DIR / "files"
APP_MAX_BYTES = env.int("APP_MAX_BYTES", default=8 * 1024**3)
APP_URL_LIFETIME_SECONDS = env.int("APP_URL_LIFETIME_SECONDS", default=24 * 3600)
# Beside the files, so that a large upload is moved there and not copied.
FILE_UPLOAD_TEMP_DIR = DATA_DIR / "uploads"
FILE_UPLOAD_TEMP_DIR.mkdir(parents=True, exist_ok=True)
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATICFILES_DIRS = [ROOT / "static"]
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
WHITENOISE_USE_FINDERS = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedStaticFilesStorage"},
}
if STORAGE_URL:
    _storage = urlsplit(STORAGE_URL)
    STORAGES["default"] = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": _storage.netloc,
            "location": _storage.path.strip("/"),
            "endpoint_url": env.str("STORAGE_ENDPOINT_URL", default=None),
            "default_acl": None,
            "querystring_auth": True,
            # boto3's own choice for addresses is the older one in some regions; Amazon's newer buckets refuse that.
            "signature_version": "s3v4",
        },
    }

# --- E-mail, text messages, language, time ---------------------------------------------------------------------------
EMAIL_TIMEOUT = 30  # seconds for each step; without one, a silent mail server would hold a worker for ever
vars().update(env.email_url("EMAIL_URL", default="consolemail://"))
DEFAULT_FROM_EMAIL = env.str("DEFAULT_FROM_EMAIL", default=f"pomona@{_base.hostname}")
# An SMS gateway with an HTTP API, as `enrollment.services.sms_gateway` reads it; without SMS_URL no text message is sent.
SMS_URL = env.str("SMS_URL", default="")
SMS_FORMAT = env.str("SMS_FORMAT", default="json")
SMS_FIELDS = env.str("SMS_FIELDS", default="")
SMS_SENDER = env.str("SMS_SENDER", default="")
SMS_AUTHORIZATION = env.str("SMS_AUTHORIZATION", default="")
SMS_HEADERS = env.str("SMS_HEADERS", default="")
SMS_REFERENCE = env.str("SMS_REFERENCE", default="")
SMS_CA_FILE = env.str("SMS_CA_FILE", default="")
# Invitations that one account may send in an hour; 0 is no limit.
INVITATIONS_PER_HOUR = env.int("INVITATIONS_PER_HOUR", default=200)
LANGUAGE_CODE = "en-us"
# Every text is marked for translation. A language is offered, to browsers that ask for it, when its texts lie in `locale/`
# (`make messages`).
LOCALE_PATHS = [ROOT / "locale"]
LANGUAGES = [("en-us", "English")] + [
    (code, LANG_INFO[code]["name_local"])
    for code in sorted(path.parent.name.lower().replace("_", "-") for path in LOCALE_PATHS[0].glob("*/LC_MESSAGES"))
    if code in LANG_INFO
]
if len(LANGUAGES) > 1:
    MIDDLEWARE.insert(
        MIDDLEWARE.index("django.middleware.common.CommonMiddleware"), "django.middleware.locale.LocaleMiddleware"
    )
USE_I18N = True
TIME_ZONE = "UTC"
USE_TZ = True

# --- REST API --------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["api.permissions.ApiKeyAccess"],
    "DEFAULT_RENDERER_CLASSES": ["api.rendering.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": [],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "api.errors.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
# Writes and reads of one API key; 0 is no limit.
API_RATE_PER_MINUTE = env.int("API_RATE_PER_MINUTE", default=6000)
API_READ_RATE_PER_MINUTE = env.int("API_READ_RATE_PER_MINUTE", default=0)
SPECTACULAR_SETTINGS = {
    "TITLE": "Pomona API",
    "VERSION": "1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SERVE_PERMISSIONS": [],
    "SERVE_INCLUDE_SCHEMA": False,
    # Sets of choices that stand under several names of parameters. Here, because what is read first is kept: the check
    # of a deployment makes the schema too, without what `api/openapi.py` adds to these settings.
    "ENUM_NAME_OVERRIDES": {
        "GroupTypeEnum": "devices.models.GroupType",
        "ItemStateEnum": "devices.models.ItemState",
        "OperationStateEnum": "devices.models.OperationState",
        "WebhookDeliveryStateEnum": "mdm.events.models.DeliveryState",
        "WebhookStateEnum": "mdm.events.webhook_standing.Standing",
    },
}

# --- The log of what happens ------------------------------------------------------------------------------------------
# How long its lines are kept; 0: for ever.
LOG_RETENTION_DAYS = env.int("LOG_RETENTION_DAYS", default=365)
# `syslog+udp://`, `syslog+tcp://`, `syslog+tls://` or `https://`: who gets every line as well; nothing: nobody.
LOG_FORWARD_URL = env.str("LOG_FORWARD_URL", default="")
LOG_FORWARD_CA_FILE = env.str("LOG_FORWARD_CA_FILE", default="")
LOG_FORWARD_AUTHORIZATION = env.str("LOG_FORWARD_AUTHORIZATION", default="").strip()

# --- Logging ---------------------------------------------------------------------------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname} {name} {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    # What devices are refused is logged by `mdm.endpoints.door`, with the reason.
    "loggers": {
        "django.request": {"level": "ERROR"},
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        # A line for each task that starts, ends or is due would bury all others.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
    },
}
# Without it, /metrics answers only callers on this machine.
METRICS_TOKEN = env.str("METRICS_TOKEN", default="")
SENTRY_DSN = env.str("SENTRY_DSN", default="")
if SENTRY_DSN:
    sentry_sdk.init(dsn=SENTRY_DSN, send_default_pii=False, include_local_variables=False)
