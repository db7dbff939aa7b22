"""The forms in which an invoice or a credit note is handed out: what each is called, and how it is made."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpResponse

from apps.billing.invoicing.files import as_csv, as_json
from apps.billing.invoicing.models import CreditNote, Invoice
from apps.billing.invoicing.paper import as_pdf

FORMS: dict[str, tuple[str, Callable[[Invoice | CreditNote], bytes]]] = {
    "json": ("application/json", as_json),
    "csv": ("text/csv; charset=utf-8", as_csv),
    "pdf": ("application/pdf", as_pdf),
}


def as_file(paper: Invoice | CreditNote, form: str) -> HttpResponse:
    """KeyError for a form there is not."""
    kind, write = FORMS[form]
    name = f'attachment; filename="{paper.number}.{form}"'
    return HttpResponse(write(paper), content_type=kind, headers={"Content-Disposition": name})
