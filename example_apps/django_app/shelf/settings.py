"""Settings: no database, no sessions, a directory for the files."""

import os
import tempfile
from pathlib import Path

SECRET_KEY = os.environ.get("SECRET_KEY", "good enough for an example")
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "shelf.urls"
INSTALLED_APPS = ["gunicorn_prometheus_exporter_django"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "OPTIONS": {"context_processors": ["django.template.context_processors.request"]},
    }
]
USE_TZ = True
SHELF = Path(os.environ.get("SHELF") or Path(tempfile.gettempdir()) / "django_app_shelf")
