"""The nouns of money. Each lives in a file of its own; this page is their index."""

from apps.billing.alerts.models import AlertKind, AlertLevel, TopUp
from apps.billing.budgets.at_end import AtEnd
from apps.billing.budgets.cap import BudgetCap, CapPeriod, CapState
from apps.billing.budgets.models import Budget, Hold, HoldState
from apps.billing.chain.chain_nodes import ChainNode, ChainNodeState
from apps.billing.chain.daily_proofs import DailyProof
from apps.billing.chain.models import ChainBlock, ChainTransfer, ChainTransferState
from apps.billing.chain.treasuries import TreasuryWallet
from apps.billing.invoicing.billing_details import BillingDetails
from apps.billing.invoicing.models import CreditNote, Invoice, InvoiceSeries, InvoiceState
from apps.billing.ledger.accounts import Account, AccountKind, Transfer, TransferKind
from apps.billing.ledger.checkpoints import Checkpoint
from apps.billing.metering.models import (
    EdgeTraffic,
    MeteringFault,
    MeteringFaultKind,
    MeterReading,
    UsageRecord,
    UsageState,
)
from apps.billing.providers.disputes import Dispute, DisputeMessage, DisputeState
from apps.billing.providers.models import DebitNote, DebitNoteState
from apps.billing.treasury.approvals import Approval, Verdict
from apps.billing.treasury.models import Payment, PaymentPurpose, PaymentState
from apps.billing.treasury.transactions import Attempt, Transaction, TransactionKind, TransactionState
from apps.billing.wallets.models import Wallet, WalletProof
from apps.billing.wallets.withdrawal_models import Withdrawal, WithdrawalState

__all__ = [
    "Account",
    "AccountKind",
    "AlertKind",
    "AlertLevel",
    "Approval",
    "AtEnd",
    "Attempt",
    "BillingDetails",
    "Budget",
    "BudgetCap",
    "CapPeriod",
    "CapState",
    "ChainBlock",
    "ChainNode",
    "ChainNodeState",
    "ChainTransfer",
    "ChainTransferState",
    "Checkpoint",
    "CreditNote",
    "DailyProof",
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
    "MeterReading",
    "MeteringFault",
    "MeteringFaultKind",
    "Payment",
    "PaymentPurpose",
    "PaymentState",
    "TopUp",
    "Transaction",
    "TransactionKind",
    "TransactionState",
    "Transfer",
    "TransferKind",
    "TreasuryWallet",
    "UsageRecord",
    "UsageState",
    "Verdict",
    "Wallet",
    "WalletProof",
    "Withdrawal",
    "WithdrawalState",
]
