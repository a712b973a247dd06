"""The table of orders."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    operations = [
        migrations.CreateModel(
            "Order",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("key", models.CharField(max_length=64)),
                ("is_packed", models.BooleanField(default=False)),
            ],
        )
    ]
