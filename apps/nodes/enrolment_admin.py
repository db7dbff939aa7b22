"""Enrolment tokens in the admin: made by a form, shown once on the page that answers it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.cache import add_never_cache_headers
from unfold.widgets import UnfoldAdminIntegerFieldWidget

from apps.nodes.models import Enrolment
from apps.nodes.reach import may_approve
from apps.teams.admin_parts import Shown, register
from apps.teams.audit import Actor, AuditLine


class EnrolmentForm(forms.ModelForm):
    valid_hours = forms.IntegerField(
        min_value=1,
        max_value=24 * 30,
        initial=24,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Until it expires.",
    )

    class Meta:
        model = Enrolment
        fields = ("owner", "approves")


@register(Enrolment)
class EnrolmentAdmin(Shown):
    """An operator makes one for whoever owns the machine; once made it is only used, or expires."""

    list_display = ("hint", "owner", "approves", "created_at", "expires_at", "used_at", "node")
    list_filter = ("approves", ("used_at", admin.EmptyFieldListFilter))
    search_fields = ("hint", "owner__username", "node__id")
    list_select_related = ("owner", "node")
    autocomplete_fields = ("owner",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(request.user.has_perm("nodes.add_enrolment"))

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Without `approves` for those who may not approve: what is no field is not read from the request."""
        return super().get_form(request, obj, change, **({} if obj else {"form": EnrolmentForm}) | kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if obj:
            return self.list_display
        return ("owner", "approves", "valid_hours") if may_approve(request.user) else ("owner", "valid_hours")

    def get_changeform_initial_data(self, request: HttpRequest) -> Any:
        return {"owner": request.user.pk, "approves": True}

    def save_model(self, request: HttpRequest, obj: Enrolment, form: Any, change: bool) -> None:
        obj.token = obj.new_token(timedelta(hours=form.cleaned_data["valid_hours"]))  # type: ignore[attr-defined]
        super().save_model(request, obj, form, change)
        actor = Actor.user(request.user)  # type: ignore[arg-type]
        AuditLine.write(obj, before="", after="issued", actor=actor, reason="made in the admin")

    def response_add(
        self, request: HttpRequest, obj: Enrolment, post_url_continue: Any = None
    ) -> HttpResponse:
        """The token itself, on this one page: a redirect would have to carry it somewhere."""
        token = obj.token  # type: ignore[attr-defined]
        context = self.admin_site.each_context(request) | {
            "title": "Enrolment token",
            "opts": self.opts,
            "enrolment": obj,
            "auto": settings.HIVE_APPROVE_NODES == "auto",
            "command": f"hive agent join {settings.HIVE_PORTAL_URL} {token}",
        }
        answer = TemplateResponse(request, "admin/enrolment_issued.html", context)
        add_never_cache_headers(answer)
        return answer
