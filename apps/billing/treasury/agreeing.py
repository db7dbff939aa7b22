"""What the Hive gives away, by credit notes and in disputes: two operators agree to what is large.

An operator who gives agrees by giving; another agrees beforehand, to all of an invoice, or to all that is
asked in a dispute. That holds for HIVE_APPROVAL_HOURS, or until they take their word back, for a sum in all:
smaller parts are no way around.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from django.conf import settings
from django.contrib.auth.models import Permission
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from apps.billing.invoicing.models import Invoice
from apps.billing.providers.disputes import Dispute
from apps.billing.treasury.approvals import Approval, Verdict
from apps.billing.treasury.large import OPERATORS_NEEDED, approve_within, is_large, names_of
from apps.money import plain
from apps.teams.audit import Actor, AuditLine
from apps.teams.models import Member, User

Given = Invoice | Dispute
"""What something is given of: credited, net of taxes, or granted over the rating."""
NAMED = 5


class NotAgreed(ValueError):
    """It is large, and too few operators agree; the text says who else can. Nothing has changed."""


def agree(given: Given, *, user: User | None, upto_glm: Decimal, reason: str) -> Approval:
    """This operator's word that so much may be given in all. Raises NotAgreed for who may not say it."""
    if user is None or (why := why_not(given, user)):
        raise NotAgreed(why if user is not None else "operators alone agree")
    made = Approval.objects.create(
        user=user, verdict=Verdict.APPROVED, upto_glm=upto_glm, reason=reason[:300], **_of(given)
    )
    told = f"{plain(upto_glm)} GLM in all: {reason}"
    AuditLine.write(given, before=given.state, after="agreed", actor=Actor.user(user), reason=told)
    return made


def take_back(given: Given, *, user: User | None, reason: str) -> Approval:
    """None of this operator's words on it counts any more. Raises NotAgreed where they gave none."""
    said = Approval.objects.filter(**_of(given), user=user).order_by("-id").first()
    if user is None or said is None or said.verdict == Verdict.REFUSED:
        raise NotAgreed("you have not agreed to it: there is no word to take back")
    if why := why_not(given, user):
        raise NotAgreed(why)
    made = Approval.objects.create(
        user=user, verdict=Verdict.REFUSED, upto_glm=said.upto_glm, reason=reason[:300], **_of(given)
    )
    AuditLine.write(given, before=given.state, after="taken back", actor=Actor.user(user), reason=reason)
    return made


def must_be_agreed(given: Given, *, total_glm: Decimal, user: User | None) -> int:
    """How many operators had to agree to so much in all; in the caller's transaction, which gives it.

    Raises NotAgreed. Whoever gives agrees by it, if they may.
    """
    if not _needs_words(given, total_glm=total_glm):
        return 0
    if why := why_not_yet(given, total_glm=total_glm, user=user):
        raise NotAgreed(why)
    if user is not None and not why_not(given, user):
        agree(given, user=user, upto_glm=total_glm, reason="gives it")
    return OPERATORS_NEEDED


def why_not_yet(given: Given, *, total_glm: Decimal, user: User | None) -> str:
    """Why this person can't give so much in all now, and who else has to agree; empty when they can."""
    if not _needs_words(given, total_glm=total_glm):
        return ""
    agreed = who_agreed(given, total_glm=total_glm)
    if user is not None and not why_not(given, user):
        agreed.add(str(user))
    if len(agreed) >= OPERATORS_NEEDED:
        return ""
    told = f"{plain(total_glm)} GLM in all {_why_large(total_glm)}"
    return f"{told}: {OPERATORS_NEEDED} operators have to agree. {_who_else(given, user, agreed)}"


def who_agreed(given: Given, *, total_glm: Decimal) -> set[str]:
    """By name, of those who may still; to so much or more, not too long ago, and not taken back."""
    on_it = Approval.objects.filter(**_of(given))
    said = on_it.filter(
        verdict=Verdict.APPROVED, upto_glm__gte=total_glm, at__gt=timezone.now() - approve_within()
    )
    later = on_it.filter(verdict=Verdict.REFUSED, user=OuterRef("user"), pk__gt=OuterRef("pk"))
    return set(names_of(said.filter(~Exists(later))))


def why_not(given: Given, user: User) -> str:
    """Why this person can't agree to it; empty when they can."""
    if not (user.is_active and user.is_staff and user.has_perm("billing.approve_payment")):
        return "operators with the permission to approve large payments alone agree to it"
    if isinstance(given, Dispute):
        return "this Bee is your own" if given.agreement.node.owner_id == user.pk else ""
    is_member = Member.objects.filter(team=given.team_id, user=user).exists()
    return "it goes to a team of yours" if is_member else ""


def _needs_words(given: Given, *, total_glm: Decimal) -> bool:
    """By today's limit, or since a grant in this dispute needed them once: PostgreSQL goes on counting."""
    asked_before = isinstance(given, Dispute) and given.approvals_needed > 0
    return asked_before or is_large(total_glm, limit_glm=settings.HIVE_APPROVAL_ABOVE_GLM)


def _why_large(total_glm: Decimal) -> str:
    limit = settings.HIVE_APPROVAL_ABOVE_GLM
    if limit is not None and is_large(total_glm, limit_glm=limit):
        return f"are above {plain(limit)} GLM"
    return "are granted where operators had to agree before"


def _of(given: Given) -> dict[str, Given]:
    return {"dispute" if isinstance(given, Dispute) else "invoice": given}


def _who_else(given: Given, user: User | None, agreed: set[str]) -> str:
    """Who may agree besides those, a few of them by name."""
    others = [
        str(each)
        for each in operators()
        if each != user and str(each) not in agreed and not why_not(given, each)
    ]
    if not others:
        return "Nobody else can: give another operator the permission to approve large payments"
    return f"Another one agrees in the admin first: {_listed(others)} can"


def operators() -> QuerySet[User]:
    """Who may approve what is large, by a permission of their own, of a group, or as superusers."""
    may = Permission.objects.filter(codename="approve_payment", content_type__app_label="billing")
    ways = Q(is_superuser=True) | Q(user_permissions__in=may) | Q(groups__permissions__in=may)
    return User.objects.filter(ways, is_active=True, is_staff=True).order_by("username").distinct()


def _listed(names: Iterable[str]) -> str:
    first, *others = list(names)[:NAMED]
    return first if not others else f"{', '.join([first, *others[:-1]])} or {others[-1]}"
