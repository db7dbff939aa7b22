"""Invoices to teams: drawn up, paid, credited, written down as files, and provable by whoever has them."""

from apps.billing.invoicing.drawing import NothingToInvoice, draw_up_invoice

__all__ = ["NothingToInvoice", "draw_up_invoice"]
