"""What the admin of every room shares: it shows, and calls the same verbs as everybody else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db import models
from django.http import HttpRequest
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import action, display

from apps.teams.admin_amounts import PlainAmountRows, PlainAmounts
from apps.teams.admin_choices import Choice
from apps.teams.audit import Actor
from apps.teams.states import StateError
from apps.teams.tones import tone

REASON_CHARS = 60
_LABELS = {"good": "success", "busy": "warning", "bad": "danger", "off": "info"}


class _ByTone(dict[str, str]):
    """Unfold looks the colour of a label up in a dict; this one knows every state there is."""

    def __missing__(self, state: str) -> str:
        return _LABELS[tone(state)]


STATE_LABELS = _ByTone({"healthy": "success"})


class Shown(PlainAmounts, ModelAdmin):
    """Rows that only verbs change: nothing to add, edit or delete by hand."""

    list_per_page = 50
    show_full_result_count = False
    list_fullwidth = True
    ordering_field = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """Who might change it by hand, were it open to that, may call its verbs."""
        return bool(request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Help texts are texts: `deployment:<id>` is to be read, though the templates take them for HTML."""
        texts = {field.name: escape(field.help_text) for field in self.opts.fields if field.help_text}
        return super().get_form(request, obj, change=change, **{"help_texts": texts} | kwargs)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        return super().formfield_for_foreignkey(db_field, request, **{"form_class": Choice} | kwargs)

    @display(description="Reason", ordering="reason")
    def why(self, row: Any) -> SafeString:
        """The reason, as much of it as a row has room for; all of it in the tooltip."""
        return format_html(
            '<span title="{}">{}</span>', row.reason, Truncator(row.reason).chars(REASON_CHARS)
        )

    @display(description="State", label=STATE_LABELS, ordering="state")
    def state_label(self, row: Any) -> tuple[str, str]:
        return row.state, row.get_state_display()


class Rows(PlainAmountRows, TabularInline):
    """Related rows to look at."""

    extra = 0
    can_delete = False
    show_change_link = True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def verb(description: str, *, permission: str = "operate") -> Callable[[Callable[..., object]], Any]:
    """An action of the change list: `call(self, row, actor)` for each row, refusals told one by one.

    Offered to whom `has_<permission>_permission` of the page lets.
    """

    def decorate(call: Callable[..., object]) -> Any:
        @action(description=description, permissions=[permission])
        def run(self: Shown, request: HttpRequest, rows: models.QuerySet[Any]) -> None:
            done = sum(_called(self, request, call, row) for row in rows)
            if done:
                self.message_user(request, f"{description}: done for {done}.", messages.SUCCESS)

        run.__name__ = call.__name__
        return run

    return decorate


def _called(page: Shown, request: HttpRequest, call: Callable[..., object], row: models.Model) -> bool:
    try:
        call(page, row, Actor.user(request.user))  # type: ignore[arg-type]
    except (StateError, ValueError, ValidationError) as error:
        page.message_user(request, f"{row}: {error}", messages.ERROR)
        return False
    return True


def by_hand(actor: Actor) -> str:
    """The reason that stands in the audit trail for what was done here."""
    return f"by {actor.name} in the admin"


register = admin.register
