"""Orders, and whether they are packed."""

from django.db import models


class Order(models.Model):
    key = models.CharField(max_length=64)
    is_packed = models.BooleanField(default=False)
