"""What to pay an invoice with, as long as something is due: for its page and its PDF."""

from __future__ import annotations

from apps.billing.invoicing.models import Invoice
from apps.billing.wallets.payment_requests import NoChain, PaymentRequest, request_payment


def payment_of(invoice: Invoice) -> PaymentRequest | None:
    """Over all that is due. None where nothing is, or where there is no token to pay with."""
    if not invoice.due_glm:
        return None
    try:
        return request_payment(invoice.due_glm)
    except NoChain:
        return None
