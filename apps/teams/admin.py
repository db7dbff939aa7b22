"""Admin of the teams' room: users, teams, tokens, the audit trail."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from apps.teams.admin_parts import STATE_LABELS, Shown, by_hand, register, verb
from apps.teams.audit import Actor
from apps.teams.models import ApiToken, AuditLine, Member, Team, User

admin.site.unregister(Group)


class MemberInline(TabularInline):
    model = Member
    extra = 0
    autocomplete_fields = ("user",)


@register(User)
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "is_active", "is_staff", "last_login")


@register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    pass


@register(Team)
class TeamAdmin(ModelAdmin):
    """Its slug is part of host names in use, so it stays once it is given."""

    list_display = ("slug", "name", "created_at")
    search_fields = ("slug", "name", "members__user__username")
    inlines = (MemberInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Team | None = None) -> tuple[str, ...]:
        return ("slug", "created_at") if obj else ("created_at",)

    def has_delete_permission(self, request: HttpRequest, obj: Team | None = None) -> bool:
        return False


@register(Member)
class MemberAdmin(ModelAdmin):
    list_display = ("user", "team", "role")
    list_filter = ("role", "team")
    search_fields = ("user__username", "team__slug")
    autocomplete_fields = ("user", "team")


@register(ApiToken)
class ApiTokenAdmin(Shown):
    list_display = ("name", "hint", "team", "user", "last_used_at", "expires_at", "revoked_at")
    list_filter = ("team", ("revoked_at", admin.EmptyFieldListFilter))
    search_fields = ("name", "hint", "user__username", "team__slug")
    list_select_related = ("team", "user")
    exclude = ("digest",)
    actions = ("revoke",)

    @verb("Revoke")
    def revoke(self, token: ApiToken, actor: Actor) -> None:
        token.revoke(actor=actor, reason=by_hand(actor))


@register(AuditLine)
class AuditLineAdmin(Shown):
    """Immutable: a trigger refuses every change."""

    list_display = ("at", "noun", "label", "before", "after_label", "reason", "actor", "team")
    list_filter = ("noun", "after", "team")
    search_fields = ("label", "noun_id", "reason", "actor")
    list_select_related = ("team",)
    date_hierarchy = "at"

    @display(description="After", label=STATE_LABELS)
    def after_label(self, line: AuditLine) -> tuple[str, str]:
        return line.after, line.after


# What people are told registers itself.
from apps.teams.notices import admin as notices_admin  # noqa: E402, F401
