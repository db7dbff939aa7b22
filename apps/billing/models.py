"""The nouns of money. Each lives in a file of its own; this page is their index."""

from apps.billing.billing_details import BillingDetails
from apps.billing.budgets import Budget, Hold, HoldState
from apps.billing.chain_models import (
    ChainBlock,
    ChainTransfer,
    ChainTransferState,
    Payment,
    PaymentPurpose,
    PaymentState,
    Wallet,
)
from apps.billing.disputes import Dispute, DisputeMessage, DisputeState
from apps.billing.invoices import (
    CreditNote,
    DebitNote,
    DebitNoteState,
    Invoice,
    InvoiceSeries,
    InvoiceState,
)
from apps.billing.ledger import Account, AccountKind, Transfer, TransferKind
from apps.billing.usage import EdgeTraffic, MeteringFault, MeteringFaultKind, UsageRecord, UsageState
from apps.billing.wallet_models import WalletProof
from apps.billing.withdrawal_models import Withdrawal, WithdrawalState

__all__ = [
    "Account",
    "AccountKind",
    "BillingDetails",
    "Budget",
    "ChainBlock",
    "ChainTransfer",
    "ChainTransferState",
    "CreditNote",
    "DebitNote",
    "DebitNoteState",
    "Dispute",
    "DisputeMessage",
    "DisputeState",
    "EdgeTraffic",
    "Hold",
    "HoldState",
    "Invoice",
    "InvoiceSeries",
    "InvoiceState",
    "MeteringFault",
    "MeteringFaultKind",
    "Payment",
    "PaymentPurpose",
    "PaymentState",
    "Transfer",
    "TransferKind",
    "UsageRecord",
    "UsageState",
    "Wallet",
    "WalletProof",
    "Withdrawal",
    "WithdrawalState",
]
