"""Settings of the Queen. All that differs between installations comes from the environment."""

from __future__ import annotations

import warnings
from datetime import timedelta
from pathlib import Path

import dj_database_url
from celery.schedules import crontab
from django.core.exceptions import ImproperlyConfigured

from apps.billing.chain.networks import DEVELOPMENT, networks
from hive_portal import env
from hive_portal.unfold import UNFOLD as UNFOLD

ROOT = Path(__file__).resolve().parent.parent

DEBUG = env.flag("HIVE_DEBUG")
SECRET_KEY = env.text("HIVE_SECRET_KEY")
if not SECRET_KEY:
    raise ImproperlyConfigured(
        "HIVE_SECRET_KEY is not set. `hive serve` and `hive demo` make one and keep it."
    )
SECRET_KEY_FALLBACKS = env.names("HIVE_SECRET_KEY_FALLBACKS")
"""Earlier ones, that what they signed stays good: sessions, and the secrets of webhooks."""
ALLOWED_HOSTS = env.names("HIVE_HOSTS", "localhost,127.0.0.1")
CSRF_TRUSTED_ORIGINS = env.names("HIVE_ORIGINS")
HTTPS = env.flag("HIVE_HTTPS")

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "channels",
    "axes",
    "hive_portal",
    "apps.teams",
    "apps.nodes",
    "apps.market",
    "apps.billing",
    "apps.deployments",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "hive_portal.refusing.ForgetNul",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "hive_portal.security.ContentSecurityPolicy",
    "hive_portal.refusing.RefuseNul",
    "axes.middleware.AxesMiddleware",
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
ROOT_URLCONF = "hive_portal.urls"
ASGI_APPLICATION = "hive_portal.asgi.application"
AUTH_USER_MODEL = "teams.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
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
                "hive_portal.context.portal",
            ],
        },
    },
]

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "dashboard"
LOGOUT_REDIRECT_URL = "login"
# Whoever guesses: ten passwords of one name from one address, then ten minutes' rest, in the admin too.
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = timedelta(minutes=10)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_LOCKOUT_TEMPLATE = "registration/resting.html"
AXES_ENABLE_ADMIN = False
AXES_DISABLE_ACCESS_LOG = True
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
FORMAT_MODULE_PATH = "hive_portal.formats"

STATIC_URL = "static/"
STATICFILES_DIRS = [ROOT / "static"]
STATIC_ROOT = env.text("HIVE_STATIC_ROOT") or None
# Serve straight from the source folders: a node has few files, and `collectstatic` stays optional.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

# -- where things are -------------------------------------------------------------------------------------

DATABASES = {"default": dj_database_url.config(default="postgres:///hive", conn_health_checks=True)}
HIVE_DATABASE_POOL = int(env.number("HIVE_DATABASE_POOL", 0))
"""How many connections a web process keeps and lends to its requests; 0 makes a new one for each request.

Under ASGI each request has a thread of its own, so CONN_MAX_AGE would keep nothing. Not for Celery: it closes
a pool after each task, and what a killed worker locked has to end with its session.
"""
if HIVE_DATABASE_POOL:
    DATABASES["default"].setdefault("OPTIONS", {})["pool"] = {
        "min_size": 1,
        "max_size": HIVE_DATABASE_POOL,
        "timeout": 10,
    }
REDIS_URL = env.text("REDIS_URL", "redis://127.0.0.1:6379/0")
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL]},
    }
}

SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
X_FRAME_OPTIONS = "DENY"
DEFAULT_EXCEPTION_REPORTER_FILTER = "hive_portal.security.KeepSecrets"

# -- the Hive ---------------------------------------------------------------------------------------------

HIVE_HOME = Path(env.text("HIVE_HOME") or ROOT / ".hive")
HIVE_PORTAL_URL = env.text("HIVE_PORTAL_URL", "http://localhost:8000")
HIVE_EDGE_DIR = Path(env.text("HIVE_EDGE_DIR") or HIVE_HOME / "edge")
"""Folder of Envoy's discovery files."""
HIVE_EDGE_ADMIN = env.text("HIVE_EDGE_ADMIN")
"""Envoy's admin address, for rotating its access log."""
HIVE_EDGE_URL = env.text("HIVE_EDGE_URL", "http://localhost:8080")
"""As seen by users; a service answers at its own host name on the same scheme and port."""
HIVE_EDGE_DOMAIN = env.text("HIVE_EDGE_DOMAIN", "localhost")
HIVE_KEYSTORE = Path(env.text("HIVE_KEYSTORE") or HIVE_HOME / "queen.keystore.json")
HIVE_KEYSTORE_PASSWORD_FILE = Path(env.text("HIVE_KEYSTORE_PASSWORD_FILE") or HIVE_HOME / "queen.password")

HIVE_TREASURY = env.address("HIVE_TREASURY")
"""The wallet of deposits and payments; unset: the keystore's own address. Goes with HIVE_SIGNER_URL."""
HIVE_SIGNER_URL = env.text("HIVE_SIGNER_URL")
"""A program that keeps the treasury's key and speaks clef's JSON-RPC; unset: the keystore signs."""
HIVE_SIGNER_TIMEOUT_S = env.number("HIVE_SIGNER_TIMEOUT_S", 10)

HIVE_NETWORK = env.choice("HIVE_NETWORK", DEVELOPMENT, *sorted(set(networks()) - {DEVELOPMENT}))
"""The chain, by a name of apps/billing/chain/networks.json: the defaults of what follows are its own."""
_NETWORK = networks()[HIVE_NETWORK]
HIVE_RPC_URL = env.text("HIVE_RPC_URL", _NETWORK.rpc_url)
"""JSON-RPC nodes, with commas: read in this order, and held against each other where money is decided."""
HIVE_RPC_QUORUM = int(env.number("HIVE_RPC_QUORUM", 0))
"""So many of them have to say the same before money moves; 0 is more than half of them."""
HIVE_RPC_LAG_BLOCKS = int(env.number("HIVE_RPC_LAG_BLOCKS", 10))
"""A node that is so many blocks behind the others is left out until it has caught up."""
HIVE_CHAIN_ID = int(env.number("HIVE_CHAIN_ID", _NETWORK.chain_id))
HIVE_GLM_TOKEN = env.text("HIVE_GLM_TOKEN", _NETWORK.token).lower()
"""Address of the ERC-20 contract; empty turns chain watcher and payouts off."""
HIVE_MULTI_TRANSFER = env.text("HIVE_MULTI_TRANSFER", _NETWORK.multi_transfer).lower()
"""Address of Golem's MultiTransfer contract, by which one transaction pays many; empty: none."""
HIVE_COIN = env.text("HIVE_COIN", _NETWORK.coin)
"""What the chain takes for gas, by its symbol: the books keep it apart from GLM."""
HIVE_GAS_LOW = env.decimal("HIVE_GAS_LOW", "0.05")
"""Operators are told when the treasury has less of it left; 0: never."""
HIVE_CHAIN_START_BLOCK = int(env.number("HIVE_CHAIN_START_BLOCK", 0))
"""The first block that is read: before it the treasury had never been used."""
HIVE_CONFIRMATIONS = int(env.number("HIVE_CONFIRMATIONS", _NETWORK.confirmations))
HIVE_FINALITY = int(env.number("HIVE_FINALITY", _NETWORK.finality))

HIVE_APPROVE_NODES = env.choice("HIVE_APPROVE_NODES", "hand", "auto")
"""`hand`: a node that enrols waits for an operator, unless its token approves it; `auto`: it takes work."""
HIVE_HEARTBEAT_S = env.number("HIVE_HEARTBEAT_S", 5)
HIVE_NODE_GRACE_S = env.number("HIVE_NODE_GRACE_S", 30)
"""How long a silent node is unknown before it is offline and what it ran is replaced."""
HIVE_SILENT_LINKS = int(env.number("HIVE_SILENT_LINKS", 1000))
"""How many links from one address may wait without a hello; a process refuses more before it reads them.

Generous: Bees behind one NAT come back together after a restart, and each waits for a moment only.
"""
HIVE_REGION = env.text("HIVE_REGION")
"""Where the Queen is, by a code of apps/nodes/regions.json: what nodes declare is held against the time to
them. Unset: it is believed.
"""
HIVE_BEE_NETWORKS = env.networks("HIVE_BEE_NETWORKS")
"""Where replicas may be besides the address their Bee calls from: `10.0.0.0/24`, `<node id>=10.0.0.7/32`."""
HIVE_METERING_INTERVAL_S = env.number("HIVE_METERING_INTERVAL_S", 60)
HIVE_USAGE_GRACE_S = env.number("HIVE_USAGE_GRACE_S", 900)
"""How long after an agreement's end its usage is still taken; then what was held for it goes back."""
HIVE_LEASE_S = env.number("HIVE_LEASE_S", 900)
HIVE_PROPOSAL_TIMEOUT_S = env.number("HIVE_PROPOSAL_TIMEOUT_S", 15)
HIVE_PLACEMENT_TIMEOUT_S = env.number("HIVE_PLACEMENT_TIMEOUT_S", 600)
"""How long a replica may wait for budget, market or image before it fails."""
HIVE_ASK_BUDGET_S = env.number("HIVE_ASK_BUDGET_S", 3 * 24 * 3600)
"""How long owners may take to say what becomes of a deployment whose money has ended; then it is stopped."""
HIVE_REPUTATION_HALF_LIFE_DAYS = env.number("HIVE_REPUTATION_HALF_LIFE_DAYS", 30)
"""After so many days a fact about a node counts half."""
HIVE_AGREEMENT_S = env.number("HIVE_AGREEMENT_S", 30 * 24 * 3600)
HIVE_PLAN_VALID_S = env.number("HIVE_PLAN_VALID_S", 600)
HIVE_SETTLE_INTERVAL_S = env.number("HIVE_SETTLE_INTERVAL_S", 3600)
"""How often what is payable to nodes is paid out."""
HIVE_PAYOUT_THRESHOLD_GLM = env.decimal("HIVE_PAYOUT_THRESHOLD_GLM", "0")
HIVE_SETTLE_AT = env.clock("HIVE_SETTLE_AT")
"""Once a day at this time of UTC (`03:30`) instead of every HIVE_SETTLE_INTERVAL_S."""
HIVE_PAYOUTS_PER_BATCH = int(env.number("HIVE_PAYOUTS_PER_BATCH", 100))
"""At most so many nodes are paid by one transaction; it takes about 30,000 gas for each. 1: no batches."""
HIVE_MAX_FEE_GWEI = env.decimal("HIVE_MAX_FEE_GWEI", "500")
"""The Hive never offers more for a unit of gas: payments wait while the chain asks more."""
HIVE_MAX_TIP_GWEI = env.decimal("HIVE_MAX_TIP_GWEI", "100")
"""Of it, for whoever makes the block: unlike the rest it is paid whole, whatever the block asks."""
HIVE_REPLACE_AFTER_S = env.number("HIVE_REPLACE_AFTER_S", 180)
"""A transaction that no block has taken by then is signed again, offering more."""
HIVE_APPROVAL_ABOVE_GLM = env.decimal_or_none("HIVE_APPROVAL_ABOVE_GLM")
"""Above it two operators approve a payment, or each of a batch, before it is signed; unset: none is asked."""
HIVE_APPROVAL_HOURS = env.number("HIVE_APPROVAL_HOURS", 24)
"""After so many hours operators are told that it still waits; after as many again it fails."""
HIVE_WITHDRAWAL_MIN_GLM = env.decimal("HIVE_WITHDRAWAL_MIN_GLM", "1")
"""A team withdraws at least so much at once, for the Hive bears the gas."""
HIVE_WITHDRAWAL_LIMIT_PER_DAY_GLM = env.decimal("HIVE_WITHDRAWAL_LIMIT_PER_DAY_GLM", "1000")
"""A team withdraws at most so much within 24 hours."""

HIVE_INVOICE_NAME = env.text("HIVE_INVOICE_NAME", "Golem Hive")
"""Who issues invoices, as on paper; so are the next three."""
HIVE_INVOICE_ADDRESS = env.text("HIVE_INVOICE_ADDRESS").replace("|", "\n")
"""Lines, with a | between them."""
HIVE_INVOICE_TAX_ID = env.text("HIVE_INVOICE_TAX_ID")
HIVE_INVOICE_EMAIL = env.text("HIVE_INVOICE_EMAIL")
HIVE_INVOICE_PREFIX = env.text("HIVE_INVOICE_PREFIX", "HIVE")
"""Numbers begin with it: another issuer, another prefix."""
HIVE_INVOICE_DUE_DAYS = env.number("HIVE_INVOICE_DUE_DAYS", 14)
"""By when taxes are paid that the budget could not pay at once. What was used is prepaid."""
HIVE_REMINDER_DAYS = env.number("HIVE_REMINDER_DAYS", 7)
"""Between the reminders of an overdue invoice, and between the last one and the team's suspension."""
HIVE_TAXES = env.percents("HIVE_TAXES")
"""On every invoice, unless the team's billing details say otherwise: `VAT=19`, several with commas."""

EMAIL_HOST = env.text("HIVE_SMTP_HOST")
"""Without one, mails are written to the log of the worker that would send them."""
EMAIL_PORT = int(env.number("HIVE_SMTP_PORT", 587))
EMAIL_HOST_USER = env.text("HIVE_SMTP_USER")
EMAIL_HOST_PASSWORD = env.text("HIVE_SMTP_PASSWORD")
EMAIL_USE_TLS = env.flag("HIVE_SMTP_TLS", default=True)
EMAIL_TIMEOUT = 10
EMAIL_BACKEND = f"django.core.mail.backends.{'smtp' if EMAIL_HOST else 'console'}.EmailBackend"
DEFAULT_FROM_EMAIL = HIVE_INVOICE_EMAIL or "hive@localhost"
HIVE_OPERATORS_EMAIL = env.names("HIVE_OPERATORS_EMAIL")
"""Who is told of what operators should see to: addresses with commas. Without one the log is, as an error."""
HIVE_NOTICE_GIVE_UP_S = env.number("HIVE_NOTICE_GIVE_UP_S", 24 * 3600)
"""So long a mail or a webhook that nobody takes is tried again."""
HIVE_WEBHOOK_NETWORKS = [network for _, network in env.networks("HIVE_WEBHOOK_NETWORKS")]
"""Networks besides the public internet that webhooks may lie in, over plain HTTP too: `10.1.0.0/16`."""

# -- work -------------------------------------------------------------------------------------------------

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 100
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_QUEUES = {name: {"exchange": name, "routing_key": name} for name in ("celery", "notices")}
"""Notices wait for other people's servers: workers of their own keep that from holding up everything else.

A worker without `-Q` listens to all of them.
"""
CELERY_TASK_ROUTES = {"teams.deliver_notices": {"queue": "notices"}}
CELERY_BEAT_SCHEDULE = {
    name: {"task": name, "schedule": every_s, "options": {"expires": max(every_s, 1)}}
    for name, every_s in {
        "teams.deliver_notices": 5.0,
        "teams.forget_notices": 86400.0,
        "teams.forget_wrong_passwords": 86400.0,
        "nodes.sweep_silent": 1.0,
        "nodes.roll_up_statistics": 60.0,
        "market.negotiate_due": 1.0,
        "market.note_prices": 60.0,
        "market.gather_facts": 900.0,
        "market.reckon_reputations": 15.0,
        "deployments.reconcile_due": 0.5,
        "deployments.renew_leases": 5.0,
        "deployments.publish_edge": 1.0,
        "deployments.count_edge_traffic": 5.0,
        "deployments.forget_plans": 3600.0,
        "billing.rate_usage": 2.0,
        "billing.watch_chain": 1.0,
        "billing.draw_up_months": 3600.0,
        "billing.collect_invoices": 60.0,
        "billing.check_alerts": 60.0,
        "billing.settle": HIVE_SETTLE_INTERVAL_S,
        "billing.chase_approvals": 60.0,
        "billing.chase_disputes": 600.0,
        "billing.prove_books": 3600.0,
        "billing.check_coin": 300.0,
    }.items()
}
if HIVE_SETTLE_AT is not None:
    CELERY_BEAT_SCHEDULE["billing.settle"] |= {
        "schedule": crontab(hour=HIVE_SETTLE_AT.hour, minute=HIVE_SETTLE_AT.minute),
        "options": {"expires": 3600},
    }

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "apps.teams.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "apps.market.keys.reach.ReachOfKeys",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["apps.market.keys.pace.PaceOfKeys"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "rest_framework.pagination.PageNumberPagination",
    "PAGE_SIZE": 100,
    "COERCE_DECIMAL_TO_STRING": True,
    "EXCEPTION_HANDLER": "hive_portal.api.explain",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Golem Hive",
    "DESCRIPTION": "Other people's spare computers as a private cloud.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    # Two fields named range, of different choices.
    "ENUM_NAME_OVERRIDES": {
        "AlertKindEnum": "apps.billing.alerts.models.AlertKind",
        "DisputeStateEnum": "apps.billing.providers.disputes.DisputeState",
        "StatisticsRange": "apps.nodes.series.Range.choices",
        "PriceRange": "apps.market.history.series.PriceRange.choices",
    },
    # /api/docs/ asks nothing of other servers: its scripts come from here, its badge from nowhere.
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SWAGGER_UI_SETTINGS": {"deepLinking": True, "persistAuthorization": True, "validatorUrl": None},
}

# WhiteNoise answers with open files, which Django's ASGI handler reads in a thread: right, though it warns.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "{asctime} {levelname:<7} {name}: {message}", "style": "{"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
    "loggers": {
        "hive": {"level": "DEBUG" if DEBUG else "INFO"},
        "django.request": {"level": "ERROR"},
    },
}
