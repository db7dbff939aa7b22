"""A first table of list prices, so that a new Hive can be compared; operators keep it in the admin.

Small machines with Linux, on demand, without taxes, disks beyond the included one and traffic. The date is the
day for which the price is vouched for, not that of its last change.
"""

from datetime import date
from decimal import Decimal
from typing import Any

from django.db import migrations

AWS = "aws.amazon.com/ec2/pricing/on-demand"
AZURE = "azure.microsoft.com/pricing/details/virtual-machines/linux"
DIGITALOCEAN = "digitalocean.com/pricing/droplets"
GOOGLE = "cloud.google.com/compute/vm-instance-pricing"
HETZNER = "hetzner.com/cloud, a month's price / 730 h"
SPRING, SUMMER, YEAR = date(2026, 4, 17), date(2026, 6, 17), date(2025, 1, 1)

LISTED = (
    # provider, product, region, threads, GiB, price per hour, currency, day, source
    ("AWS EC2", "t3.medium", "us-east-1", 2, 4, "0.0416", "USD", SPRING, AWS),
    ("AWS EC2", "t3.large", "us-east-1", 2, 8, "0.0832", "USD", SPRING, AWS),
    ("AWS EC2", "c6i.2xlarge", "us-east-1", 8, 16, "0.34", "USD", SPRING, AWS),
    ("Azure", "F2s v2", "East US", 2, 4, "0.0846", "USD", SUMMER, AZURE),
    ("Azure", "D2s v5", "East US", 2, 8, "0.096", "USD", SUMMER, AZURE),
    ("Google Cloud", "e2-medium", "us-central1", 2, 4, "0.033503", "USD", YEAR, GOOGLE),
    ("Google Cloud", "e2-standard-2", "us-central1", 2, 8, "0.067006", "USD", YEAR, GOOGLE),
    ("Google Cloud", "e2-standard-4", "us-central1", 4, 16, "0.134012", "USD", YEAR, GOOGLE),
    ("DigitalOcean", "s-2vcpu-4gb", "all", 2, 4, "0.03571", "USD", YEAR, DIGITALOCEAN),
    ("DigitalOcean", "s-4vcpu-8gb", "all", 4, 8, "0.07143", "USD", YEAR, DIGITALOCEAN),
    ("DigitalOcean", "g-2vcpu-8gb", "all", 2, 8, "0.09375", "USD", YEAR, DIGITALOCEAN),
    ("Hetzner Cloud", "CX23", "eu", 2, 4, "0.005466", "EUR", date(2026, 4, 15), HETZNER),
    ("Hetzner Cloud", "CX33", "eu", 4, 8, "0.00889", "EUR", date(2026, 4, 15), HETZNER),
)


def fill(apps: Any, schema_editor: Any) -> None:
    prices = apps.get_model("market", "CloudPrice")
    columns = ("provider", "product", "region", "cpu_threads", "mem_gib", "price_per_hour")
    for row in LISTED:
        *told, price, currency, as_of, source = row
        given = dict(zip(columns, (*told, Decimal(price)), strict=True))
        prices.objects.create(**given, currency=currency, as_of=as_of, source=source)


class Migration(migrations.Migration):
    dependencies = [("market", "0008_keep_prices")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
