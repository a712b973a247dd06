"""Jobs of the worker."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
django.setup()

from shop.models import Order  # noqa: E402 - the models need the settings


def pack(key: str) -> None:
    Order.objects.filter(key=key).update(is_packed=True)
