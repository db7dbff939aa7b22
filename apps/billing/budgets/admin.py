"""Admin of budgets and caps. Credit is given here, by an operator. Imported by admin.py."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from unfold.decorators import display
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminTextInputWidget

from apps.billing.admin_parts import glm_column
from apps.billing.budgets.lending import set_credit_limit
from apps.billing.budgets.runway import runway_in, with_rates
from apps.billing.invoicing.drawing import draw_up_invoice
from apps.billing.models import Budget, BudgetCap
from apps.money import ZERO, plain
from apps.teams.admin_parts import Shown, register, verb
from apps.teams.audit import Actor


class CreditForm(forms.ModelForm):
    """How much a team may owe, and why; kept in the audit trail."""

    credit_limit_glm = forms.DecimalField(
        max_digits=28,
        decimal_places=18,
        min_value=Decimal(0),
        label="Credit limit, GLM",
        widget=UnfoldAdminDecimalFieldWidget,
    )
    because = forms.CharField(max_length=300, label="Why", widget=UnfoldAdminTextInputWidget)

    class Meta:
        model = Budget
        fields: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["credit_limit_glm"] = self.instance.credit_limit_glm.normalize()

    def clean_credit_limit_glm(self) -> Decimal:
        limit_glm: Decimal = self.cleaned_data["credit_limit_glm"]
        used_glm = max(-self.instance.balance_glm, ZERO)
        if limit_glm < used_glm:
            raise forms.ValidationError(
                f"{used_glm.normalize():f} GLM are held or spent on credit: name at least that."
            )
        return limit_glm


@register(Budget)
class BudgetAdmin(Shown):
    list_display = (
        "__str__",
        "team",
        "available_now",
        "held_now",
        "spent_so_far",
        "credit",
        "owed",
        "at_end",
        "lasts",
        "created_at",
    )
    list_filter = ("team", "at_end")
    search_fields = ("name", "team__slug")
    list_select_related = ("team", "available", "held")
    actions = ("draw_up",)
    form = CreditForm
    fields = ("team", "name", "at_end", "available_now", "held_now", "owed", "credit_limit_glm", "because")
    readonly_fields = ("team", "name", "at_end", "available_now", "held_now", "owed")

    available_now = glm_column("Available", lambda budget: budget.available_glm)
    held_now = glm_column("Held", lambda budget: budget.held_glm)
    spent_so_far = glm_column("Spent", lambda budget: budget.spent_glm)
    credit = glm_column("Credit", lambda budget: budget.credit_limit_glm)
    owed = glm_column("Owed", lambda budget: budget.owed_glm)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(request.user.has_perm("billing.change_budget"))

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Who may only look sees no form."""
        return self.fields if self.has_change_permission(request, obj) else self.readonly_fields

    @display(description="Lasts")
    def lasts(self, budget: Budget) -> str:
        return runway_in(budget).in_words

    def get_queryset(self, request: HttpRequest) -> QuerySet[Budget]:
        return with_rates(super().get_queryset(request))

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        said, actor = form.cleaned_data, Actor.user(request.user)  # type: ignore[arg-type]
        set_credit_limit(obj, said["credit_limit_glm"], actor=actor, reason=said["because"])

    @verb("Draw up the team's invoice until now")
    def draw_up(self, budget: Budget, actor: Actor) -> None:
        draw_up_invoice(team=budget.team, actor=actor, until=timezone.now())


@register(BudgetCap)
class BudgetCapAdmin(Shown):
    """What deployments may take of their budgets, and how their money stands."""

    list_display = ("name", "budget", "state_label", "limit", "counted", "at_end", "deadline_at", "why")
    list_filter = ("state", "at_end", "budget__team")
    search_fields = ("id", "name", "reference", "budget__team__slug")
    list_select_related = ("budget__team",)

    fields = (
        "name",
        "reference",
        "budget",
        "state",
        "reason",
        "deadline_at",
        "limit_glm",
        "per",
        "counted",
        "left",
        "needed_glm",
        "at_end",
        "period_start",
        "created_at",
    )

    counted = glm_column("Held and spent", lambda cap: cap.counted_glm)
    left = glm_column("Left", lambda cap: cap.left_glm)

    @display(description="Limit, GLM", ordering="limit_glm")
    def limit(self, cap: BudgetCap) -> str:
        return "–" if cap.limit_glm is None else f"{plain(cap.limit_glm)} {cap.get_per_display()}"
