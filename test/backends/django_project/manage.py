"""A Django project in one file: python manage.py runserver --noreload PORT."""

import sys
from pathlib import Path

from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpRequest, HttpResponse
from django.urls import path

VERSION = Path("version").read_text()


def index(request: HttpRequest) -> HttpResponse:
    return HttpResponse(VERSION)


urlpatterns = [path("", index)]
settings.configure(DEBUG=True, SECRET_KEY="for tests", ROOT_URLCONF=__name__, USE_TZ=True)
execute_from_command_line(sys.argv)
