"""What is sent as an array comes out as it went in, whatever it has in it."""

from decimal import Decimal

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.billing.arrays import array


def test_it_quotes_what_needs_it():
    assert array([1, Decimal("0.10"), None, "a,b"]) == '{"1","0.10",NULL,"a,b"}'
    assert array(['say "so"', "C:\\", None]) == '{"say \\"so\\"","C:\\\\",NULL}'
    assert array([]) == "{}"


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@pytest.mark.django_db
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(st.one_of(texts, st.none(), st.sampled_from(["NULL", '"', "\\", "{}", ""]))))
def test_it_comes_out_as_it_went_in(db, values):
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM unnest(%s::text[])", [array(values)])
        assert [value for (value,) in cursor.fetchall()] == values
