"""Admin of application keys: looked at by operators, changed by their team's owners."""

from __future__ import annotations

from unfold.decorators import display

from apps.market.keys.policy import KeyPolicy
from apps.teams.admin_parts import Shown, by_hand, register, verb
from apps.teams.audit import Actor


@register(KeyPolicy)
class KeyPolicyAdmin(Shown):
    list_display = ("__str__", "team", "may", "last_used_at", "expires_at", "revoked_at")
    list_filter = ("token__team",)
    search_fields = ("token__name", "token__hint", "token__team__slug", "token__user__username")
    list_select_related = ("token__team",)
    actions = ("revoke",)

    @display(description="Team", ordering="token__team")
    def team(self, policy: KeyPolicy) -> str:
        return str(policy.token.team)

    @display(description="May")
    def may(self, policy: KeyPolicy) -> str:
        return policy.in_words

    @display(description="Last used", ordering="token__last_used_at")
    def last_used_at(self, policy: KeyPolicy) -> object:
        return policy.token.last_used_at

    @display(description="Expires", ordering="token__expires_at")
    def expires_at(self, policy: KeyPolicy) -> object:
        return policy.token.expires_at

    @display(description="Revoked")
    def revoked_at(self, policy: KeyPolicy) -> object:
        return policy.token.revoked_at

    @verb("Revoke")
    def revoke(self, policy: KeyPolicy, actor: Actor) -> None:
        policy.revoke(actor=actor, reason=by_hand(actor))
