"""Settings for django-hordak alone, in a database of its own on the server of `DATABASE_URL`."""

import os

import dj_database_url

DATABASES = {"default": dj_database_url.parse(os.environ["DATABASE_URL"]) | {"NAME": "hordak"}}
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "mptt",
    "hordak",
]
SECRET_KEY = "-"
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
DEFAULT_CURRENCY = "GLM"
CURRENCIES = HORDAK_CURRENCIES = ["GLM"]
# As precise as GLM.
HORDAK_MAX_DIGITS, HORDAK_DECIMAL_PLACES = 38, 18
