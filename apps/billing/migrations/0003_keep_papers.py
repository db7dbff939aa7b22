"""Holds, payments, debit notes and what the chain said: facts are written once, by PostgreSQL's own word.

Money that is held or posted only grows until the hold is closed; invoice numbers are never given twice.
"""

from django.db import migrations

from apps.billing.models import (
    Budget,
    ChainTransfer,
    DebitNote,
    Hold,
    InvoiceSeries,
    Payment,
    UsageRecord,
    UsageState,
)
from apps.teams.guards import keep_rows, keep_states, keep_states_of, never_fall, write_once

TRANSACTION = ("node", "chain_id", "sender", "recipient", "nonce", "amount", "raw_transaction", "tx_hash")
NOTE = ("agreement", "sequence", "usage_hash", "amount", "final", "signature")
EVENT = ("chain_id", "tx_hash", "log_index", "block_number", "block_hash", "sender", "recipient", "amount")

STATES = [
    keep_states(Hold, DebitNote, ChainTransfer, Payment),
    keep_states_of(
        UsageRecord, {UsageState.RECEIVED: frozenset({UsageState.POSTED}), UsageState.POSTED: frozenset()}
    ),
]
HOLDS = [
    write_once(Budget, "team", "available", "held", because="a budget keeps its team and its accounts"),
    write_once(Hold, "budget", "reference", "agreement", because="a hold is for one thing"),
    write_once(
        Hold, "amount", "posted", because="the hold is closed", when="OLD.state <> 'held'", name="keep_closed"
    ),
    never_fall(Hold, "amount", "posted", because="what is reserved or posted is given back at its end"),
    keep_rows(Hold, because="a hold is released, not deleted"),
]
PAPERS = [
    write_once(DebitNote, *NOTE, because="the node signed it"),
    write_once(
        DebitNote,
        *("amount_accepted", "payment"),
        because="the note is paid",
        when="OLD.state = 'paid'",
        name="keep_paid",
    ),
    keep_rows(DebitNote, because="a signed debit note is evidence"),
    write_once(InvoiceSeries, "prefix", because="invoices are numbered by it"),
    never_fall(InvoiceSeries, "last_number", because="an invoice number is given once"),
    keep_rows(InvoiceSeries, because="an invoice number is given once"),
]
CHAIN = [
    write_once(Payment, *TRANSACTION, because="the transaction is signed"),
    keep_rows(Payment, because="a payment may be on the chain"),
    write_once(ChainTransfer, *EVENT, "wallet", "payment", because="it is what the chain said"),
    keep_rows(ChainTransfer, because="it is what the chain said"),
]


class Migration(migrations.Migration):
    dependencies = [
        ("billing", "0002_guard_the_ledger"),
        ("market", "0002_keep_agreements"),
        ("teams", "0003_guard_rows"),
    ]
    operations = [*STATES, *HOLDS, *PAPERS, *CHAIN]
