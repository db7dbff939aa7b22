"""The schema: complete, valid, and made without a single warning."""

import re
from io import StringIO

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.test import Client


def test_it_makes_a_valid_schema_without_warnings() -> None:
    told = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=told)
    assert "/api/v1/deployments/{id}/scale/" in told.getvalue()


@pytest.mark.django_db
def test_it_serves_the_schema_to_anybody() -> None:
    response = Client().get("/api/schema/")
    assert response.status_code == 200
    assert b"bearer" in response.content


@pytest.mark.django_db
def test_it_shows_the_schema_without_asking_elsewhere() -> None:
    page = Client().get("/api/docs/").content.decode()
    assert not re.findall(r"https?://(?!localhost)[^\"' ]+", page)
    files = re.findall(r"(?:src|href)=\"/static/([^\"]+)", page)
    assert len(files) >= 3
    assert all(finders.find(file) for file in files)
