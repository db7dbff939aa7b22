"""What an application may do with its key: a policy beside an API token. Without one it is a member's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Self

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from agent.protocol import Permit
from apps.money import GlmField, plain
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import ApiToken, Team, User

RULES = ("providers", "images", "signers")
LIMITS = ("limit_glm", "limit_per_day_glm", "limit_per_hour_glm", "requests_per_minute")


class NameTaken(ValueError):
    """Of two keys of one name nobody knows which to revoke."""


class KeyPolicy(models.Model):
    """An empty list allows all; a limit that is null is none."""

    token = models.OneToOneField(ApiToken, on_delete=models.CASCADE, related_name="policy")
    providers = models.JSONField(default=list, blank=True, help_text="Node ids that alone may serve.")
    images = models.JSONField(
        default=list, blank=True, help_text="Digests that alone may run: sha256:... or sha3-256:..."
    )
    signers = models.JSONField(
        default=list, blank=True, help_text="Public keys, one of which must have signed an image."
    )
    limit_glm = GlmField(null=True, blank=True, help_text="It may spend so much in all.")
    limit_per_day_glm = GlmField(null=True, blank=True, help_text="It may spend so much from midnight UTC.")
    limit_per_hour_glm = GlmField(
        null=True, blank=True, help_text="All that runs under it may cost so much an hour."
    )
    requests_per_minute = models.PositiveIntegerField(null=True, blank=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = "key"
        verbose_name_plural = "key policies"
        ordering = ("-token__created_at",)
        constraints = (
            models.CheckConstraint(
                name="key_limits_not_negative",
                condition=(Q(limit_glm=None) | Q(limit_glm__gte=0))
                & (Q(limit_per_day_glm=None) | Q(limit_per_day_glm__gte=0))
                & (Q(limit_per_hour_glm=None) | Q(limit_per_hour_glm__gte=0))
                & (Q(requests_per_minute=None) | Q(requests_per_minute__gte=1)),
            ),
        )

    def __str__(self) -> str:
        return f'key "{self.token.name}" ({self.token.hint}…)'

    @property
    def audit_team_id(self) -> int:
        return self.token.team_id

    @classmethod
    @transaction.atomic
    def issue(
        cls, *, team: Team, user: User, name: str, valid: timedelta, **allowed: Any
    ) -> tuple[Self, str]:
        """Make a key; its text is returned here and never again. `allowed` is what RULES and LIMITS name.

        Raises NameTaken while another key of the team is in force under the name.
        """
        Team.objects.select_for_update().get(pk=team.pk)  # of two of one name at once, one waits
        if _in_force(team).filter(name=name).exists():
            raise NameTaken(f'there is a key "{name}" already: revoke it first, or choose another name')
        token, text = ApiToken.issue(team=team, user=user, name=name, valid=valid, is_limited=True)
        policy = cls.objects.create(token=token, **allowed)
        AuditLine.write(
            policy, before="", after="issued", actor=Actor.user(user), reason=policy.in_words[:500]
        )
        return policy, text

    def change(self, *, actor: Actor, **allowed: Any) -> None:
        """From now on it may do this; see docs/keys.md for what that means to what runs."""
        for name, value in allowed.items():
            setattr(self, name, value)
        with transaction.atomic():
            self.save(update_fields=[*allowed, "changed_at"])
            AuditLine.write(self, before="issued", after="changed", actor=actor, reason=self.in_words[:500])

    def revoke(self, *, actor: Actor, reason: str) -> None:
        self.token.revoke(actor=actor, reason=reason)

    @property
    def permit(self) -> Permit:
        """What goes with each of its workloads to the Bee."""
        return Permit(providers=self.providers, images=self.images, signers=self.signers)

    @property
    def in_words(self) -> str:
        """What it allows, for the audit trail and for people."""
        return "; ".join(_words(self)) or "all that a key may"

    def refusal(self, *, now: datetime) -> str | None:
        """Why nothing new may be placed under it, or None."""
        why_not = self.token.refusal(now=now)
        return f"{self}: {why_not}" if why_not else None


def _in_force(team: Team) -> models.QuerySet[ApiToken]:
    return team.tokens.filter(is_limited=True, revoked_at=None, expires_at__gt=timezone.now())


def policy_of(token: object) -> KeyPolicy | None:
    """Of what a request came with: None for a session, and for a token that is a member's.

    A limited token without a policy raises KeyPolicy.DoesNotExist: it may nothing.
    """
    if not isinstance(token, ApiToken) or not token.is_limited:
        return None
    return token.policy


def _words(policy: KeyPolicy) -> list[str]:
    counts: Mapping[str, int] = {name: len(getattr(policy, name)) for name in RULES}
    words = [f"{count} {name if count > 1 else name[:-1]}" for name, count in counts.items() if count]
    units = ("GLM in all", "GLM a day", "GLM an hour", "requests a minute")
    limits = zip((getattr(policy, name) for name in LIMITS), units, strict=True)
    return words + [f"{plain(Decimal(limit))} {unit}" for limit, unit in limits if limit is not None]
