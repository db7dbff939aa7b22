"""Who is in the demo: one person who is team owner, bee owner and operator at once."""

from __future__ import annotations

from dataclasses import dataclass

from apps.billing.budgets.opening import open_budget
from apps.billing.models import Budget
from apps.nodes.models import Enrolment
from apps.teams.audit import Actor
from apps.teams.models import ApiToken, Member, Role, Team, User
from hive_portal.demo.login import LOGIN, PASSWORD


@dataclass(frozen=True)
class Cast:
    user: User
    team: Team
    budget: Budget
    token: str
    """Of the API; a new one each time, since a token's text is kept nowhere."""


def gather_cast() -> Cast:
    user, is_new = User.objects.get_or_create(
        username=LOGIN, defaults={"is_staff": True, "is_superuser": True, "email": "demo@hive.localhost"}
    )
    if is_new:
        user.set_password(PASSWORD)
        user.save()
    team, _ = Team.objects.get_or_create(slug="demo", defaults={"name": "Demo team"})
    Member.objects.get_or_create(team=team, user=user, defaults={"role": Role.OWNER})
    for earlier in ApiToken.objects.filter(team=team, name="hive demo", revoked_at=None):
        earlier.revoke(actor=Actor.user(user), reason="another demo begins")
    _, token = ApiToken.issue(team=team, user=user, name="hive demo")
    return Cast(user=user, team=team, budget=open_budget(team), token=token)


def enrolment_token(cast: Cast) -> str:
    _, text = Enrolment.issue(owner=cast.user, approves=True)
    return text
