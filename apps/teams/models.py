"""Who lives in the Hive: users, the teams they belong to, and the tokens that speak for them."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Self

from django.contrib.auth.models import AbstractUser
from django.core.validators import RegexValidator
from django.db import models, transaction
from django.utils import timezone

from apps.teams.audit import Actor, AuditLine
from apps.teams.notices.models import Delivery, DeliveryAttempt, DeliveryState, Notice, Webhook

__all__ = [
    "ApiToken",
    "AuditLine",
    "Delivery",
    "DeliveryAttempt",
    "DeliveryState",
    "Member",
    "Notice",
    "Role",
    "Team",
    "User",
    "Webhook",
]

SLUG = RegexValidator(
    r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$", "lower-case letters, digits and inner hyphens, at most 40"
)


class User(AbstractUser):
    """Somebody who signs in; what they may reach comes from their memberships."""

    teams: models.ManyToManyField[Team, Member] = models.ManyToManyField(
        "Team", through="Member", related_name="users"
    )


class Team(models.Model):
    """Owner of deployments, budgets and invoices. Its slug is part of every host name it serves."""

    slug = models.CharField(max_length=40, unique=True, validators=[SLUG])
    name = models.CharField(max_length=100)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("slug",)

    def __str__(self) -> str:
        return self.slug

    @property
    def audit_team_id(self) -> int:
        return self.pk


class Role(models.TextChoices):
    OWNER = "owner", "Owner"
    """May do everything, members and money included."""
    DEVELOPER = "developer", "Developer"
    """May plan, deploy, scale, stop and open consoles."""
    VIEWER = "viewer", "Viewer"
    """May look: deployments, invoices, usage."""


class Member(models.Model):
    """A user's place in a team."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="members")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=12, choices=Role.choices, default=Role.DEVELOPER)
    wants_mails = models.BooleanField(
        default=True, help_text="Of what the team is told; only owners are told by mail."
    )

    class Meta:
        constraints = (models.UniqueConstraint(fields=("team", "user"), name="member_once_per_team"),)

    def __str__(self) -> str:
        return f"{self.user} in {self.team} as {self.role}"

    @property
    def may_change(self) -> bool:
        return self.role in {Role.OWNER, Role.DEVELOPER}


class ApiToken(models.Model):
    """A key of a script: shown once, kept as a SHA-256 digest, good for one team until it expires."""

    PREFIX = "hive_"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="tokens")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=80)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    hint = models.CharField(
        max_length=16, editable=False, help_text="Its first characters, to tell tokens apart."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)
    is_limited = models.BooleanField(
        default=False, editable=False, help_text="An application key: it may only do what its policy says."
    )

    class Meta:
        ordering = ("-created_at",)

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"

    @property
    def audit_team_id(self) -> int:
        return self.team_id

    @classmethod
    @transaction.atomic
    def issue(
        cls,
        *,
        team: Team,
        user: User,
        name: str,
        valid: timedelta = timedelta(days=90),
        is_limited: bool = False,
    ) -> tuple[Self, str]:
        """Make a token; its text is returned here and never again."""
        text = cls.PREFIX + secrets.token_urlsafe(32)
        token = cls.objects.create(
            team=team,
            user=user,
            name=name,
            digest=digest_of(text),
            hint=text[:12],
            expires_at=timezone.now() + valid,
            is_limited=is_limited,
        )
        AuditLine.write(token, before="", after="issued", actor=Actor.user(user), reason=name)
        return token, text

    def revoke(self, *, actor: Actor, reason: str) -> None:
        """It opens nothing from now on. Revoking it twice changes nothing."""
        self.revoked_at = timezone.now()
        with transaction.atomic():
            if type(self).objects.filter(pk=self.pk, revoked_at=None).update(revoked_at=self.revoked_at) == 1:
                AuditLine.write(self, before="issued", after="revoked", actor=actor, reason=reason)

    @classmethod
    def find(cls, text: str) -> Self | None:
        """The token with this text, whatever its standing: ask `refusal` before trusting it."""
        return cls.objects.select_related("user", "team").filter(digest=digest_of(text)).first()

    def refusal(self, *, now: datetime) -> str | None:
        """Why this token opens nothing, or None when it does."""
        if self.revoked_at is not None:
            return "token revoked"
        if self.expires_at <= now:
            return f"token expired on {self.expires_at:%Y-%m-%d %H:%M} UTC"
        if not self.user.is_active:
            return "its user is no longer active"
        return None


def digest_of(secret: str) -> str:
    """SHA-256, hex. Enough for secrets of 256 random bits: there is nothing to guess."""
    return hashlib.sha256(secret.encode()).hexdigest()
