"""Wherever a key might show, it does not: database, logs, settings, environment, pages of errors."""

from __future__ import annotations

import io
import logging
import os
import sys
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection
from django.views.debug import ExceptionReporter
from eth_account import Account

from apps.billing.metering.intake import store_usage
from apps.billing.metering.rating import rate_usage
from apps.billing.models import Payment, PaymentPurpose
from apps.billing.treasury.settlement import pay_providers
from apps.billing.treasury.signers import SignerRefused, treasury_address, treasury_signer
from apps.nodes.queen import queen_key
from tests.billing.chain_of_tests import FINALITY
from tests.billing.test_it_signs_elsewhere import UNSIGNED

pytestmark = pytest.mark.real

PASSWORD = "correct horse"
"""Not written where it is used: pages of errors show the lines of code."""
WALLET = Account.from_key("0x" + "77" * 32)


def secrets_of(settings: Any) -> list[str]:
    """The key in hex and as a number, and the password of its keystore."""
    key = bytes(queen_key().key)
    return [key.hex(), str(int.from_bytes(key, "big")), settings.HIVE_KEYSTORE_PASSWORD_FILE.read_text()]


def shown_in(text: str, secrets: list[str]) -> list[int]:
    return [place for place, secret in enumerate(secrets) if secret.lower() in text.lower()]


def database() -> str:
    """All that is in it, as text."""
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        parts = []
        for table in tables:
            with cursor.copy(f'COPY "{table}" TO STDOUT') as rows:
                parts += [bytes(row).decode() for row in rows]
    return "".join(parts)


def page_of_the_error() -> str:
    """As a browser and as a mail show the error that is being handled."""
    reporter = ExceptionReporter(None, *sys.exc_info())
    return reporter.get_traceback_html() + reporter.get_traceback_text()


@pytest.mark.django_db
@pytest.mark.needs("chain")
def test_it_pays_without_writing_a_key_anywhere(
    anvil: Any, meter: Any, node: Any, settings: Any, caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    anvil.glm.deposit(WALLET, treasury_address(), Decimal(10))
    store_usage(node_id=node.id, reports=[meter.report()])
    rate_usage()
    [payment] = pay_providers(minimum_glm=Decimal(0))
    anvil.grow(FINALITY)
    secrets, written = secrets_of(settings), database()
    assert Payment.objects.get().purpose == PaymentPurpose.PAYOUT
    assert str(payment.tx_hash) in written  # so it is the payment's own rows that were looked at
    assert shown_in(written, secrets) == []
    assert shown_in(caplog.text, secrets) == []


def test_it_shows_no_key_in_settings_or_environment(settings: Any) -> None:
    told = io.StringIO()
    call_command("diffsettings", stdout=told, all=True)
    assert "HIVE_KEYSTORE" in told.getvalue()
    assert shown_in(told.getvalue() + repr(os.environ) + repr(queen_key()), secrets_of(settings)) == []


@pytest.mark.parametrize("debug", [True, False])
def test_it_shows_no_key_on_a_page_of_errors(settings: Any, debug: bool) -> None:
    """What can't be signed fails where the key is at hand."""
    settings.DEBUG = debug
    with pytest.raises(SignerRefused):
        try:
            treasury_signer().sign(UNSIGNED | {"nonce": -1})
        except SignerRefused:
            page = page_of_the_error()
            raise
    assert "the keystore can&#x27;t sign this" in page
    assert shown_in(page, secrets_of(settings)) == []


@pytest.mark.parametrize("debug", [True, False])
def test_it_shows_no_password_on_a_page_of_errors(settings: Any, tmp_path: Any, debug: bool) -> None:
    settings.DEBUG = debug
    settings.HIVE_KEYSTORE = tmp_path / "queen.json"
    settings.HIVE_KEYSTORE_PASSWORD_FILE = tmp_path / "password"
    queen_key.__wrapped__()
    settings.HIVE_KEYSTORE_PASSWORD_FILE.write_text(PASSWORD)
    with pytest.raises(ImproperlyConfigured):
        try:
            queen_key.__wrapped__()
        except ImproperlyConfigured:
            page = page_of_the_error()
            raise
    assert "not a keystore that" in page
    assert PASSWORD not in page


def test_it_hides_addresses_that_may_hold_passwords(settings: Any) -> None:
    settings.HIVE_SIGNER_URL = f"http://operator:{PASSWORD}@127.0.0.1:8550"
    settings.HIVE_RPC_URL = f"https://rpc.example.org/v2/{PASSWORD}"
    try:
        raise ValueError("any")
    except ValueError:
        page = page_of_the_error()
    assert "HIVE_SIGNER_URL" in page
    assert PASSWORD not in page
