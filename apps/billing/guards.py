"""Trigger functions of billing that more than one migration writes: what they share stands here once.

Applied migrations are made of these words: none of them changes any more. Each takes how it is created, CREATE
or CREATE OR REPLACE, and what differs from one migration to the other.
"""

# ruff: noqa: E501  # to the last space, for databases have it so

from __future__ import annotations

POSTED = "(SELECT coalesce(sum(posted), 0) FROM billing_hold WHERE cap_id = NEW.id)"
"""Under a cap, ever."""
_COUNT_BY_ITSELF = """
{create} FUNCTION billing_cap_counts_by_itself() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.used_glm <> 0 OR NEW.base_glm <> 0 THEN
            RAISE EXCEPTION 'a cap starts at zero: its holds are counted' USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    -- Depth 1 is an UPDATE somebody wrote; the trigger on holds comes in at depth 2.
    IF NEW.used_glm IS DISTINCT FROM OLD.used_glm AND pg_trigger_depth() < 2 THEN
        RAISE EXCEPTION 'what counts under a cap is the sum of its holds: place or release one'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.per, NEW.period_start) IS DISTINCT FROM (OLD.per, OLD.period_start) THEN
        IF NEW.per = 'month' THEN
            IF NEW.period_start > now() OR (OLD.per = 'month' AND NEW.period_start <= OLD.period_start)
                OR NEW.period_start <> date_trunc('month', NEW.period_start, 'UTC') THEN
                RAISE EXCEPTION 'a cap''s period begins once, with its month' USING ERRCODE = 'restrict_violation';
            END IF;
            NEW.base_glm := {posted_before};
        ELSE
            NEW.base_glm := 0;
        END IF;
    ELSIF NEW.base_glm IS DISTINCT FROM OLD.base_glm THEN
        RAISE EXCEPTION 'what was spent before a cap''s period is added up when it begins'
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""

APPROVED_TOO_SELDOM = """(SELECT count(*) FROM billing_approval WHERE payment_id = OLD.id AND verdict = 'approved')
            < OLD.approvals_needed"""
_WAIT_FOR_APPROVAL = """
{create} FUNCTION billing_payment_waits_for_approval() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF (NEW.approvals_needed > 0) <> (NEW.state = 'waiting') THEN
            RAISE EXCEPTION 'a payment that needs approvals begins by waiting for them, and no other does'
                USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF {too_few} THEN
        RAISE EXCEPTION 'payment % needs the approval of % operators', OLD.id, OLD.approvals_needed
            USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""

ASKED_FOR_IT = "payment.requested_by_id = NEW.user_id"
IS_OPERATOR = "EXISTS (SELECT FROM teams_user WHERE id = NEW.user_id AND is_active AND is_staff)"
_GIVEN_BY_ANOTHER = """
{create} FUNCTION billing_approval_is_given_by_another() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    payment billing_payment%ROWTYPE;
BEGIN
    SELECT * INTO payment FROM billing_payment WHERE id = NEW.payment_id FOR NO KEY UPDATE;
    IF payment.state <> 'waiting' THEN
        RAISE EXCEPTION 'payment % waits for nobody''s approval', payment.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF {asked_for_it} THEN
        RAISE EXCEPTION 'who asked for a payment can''t approve it' USING ERRCODE = 'restrict_violation';
    END IF;
{more}    IF NOT {is_operator} THEN
        RAISE EXCEPTION 'operators alone approve payments' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
"""


def cap_counts_by_itself(create: str, *, posted_before: str = POSTED) -> str:
    """`posted_before`: what is taken off, when a month begins, for what was spent until then."""
    return _COUNT_BY_ITSELF.format(create=create, posted_before=posted_before)


def payment_waits_for_approval(create: str, *, too_few: str = APPROVED_TOO_SELDOM) -> str:
    """`too_few`: the condition under which it goes on waiting."""
    return _WAIT_FOR_APPROVAL.format(create=create, too_few=too_few)


def approval_is_given_by_another(
    create: str, *, asked_for_it: str = ASKED_FOR_IT, is_operator: str = IS_OPERATOR, more: str = ""
) -> str:
    """Conditions on the person who gives it; `more` are further statements that refuse."""
    return _GIVEN_BY_ANOTHER.format(
        create=create, asked_for_it=asked_for_it, is_operator=is_operator, more=more
    )
