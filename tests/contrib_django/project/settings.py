"""Everything that is not a default is there for a page. The environment may say otherwise, in JSON."""

import json
import os
from pathlib import Path

_HERE = __name__.removesuffix(".settings")

SECRET_KEY = "not a secret"
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]
ROOT_URLCONF = f"{_HERE}.urls"
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "gunicorn_prometheus_exporter_django",
    "rest_framework",
]
MIDDLEWARE = [
    f"{_HERE}.middlewares.Early",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    f"{_HERE}.middlewares.Answering",
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [Path(__file__).parent]}]
LANGUAGES = [("en", "English"), ("de", "German")]
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5
USE_TZ = True
LOGGING_CONFIG = None

globals().update(json.loads(os.environ.get("PROJECT_SETTINGS", "{}")))
