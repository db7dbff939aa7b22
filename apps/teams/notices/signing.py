"""The secrets of webhooks, and signatures by them as Standard Webhooks says.

A secret is derived from the Hive's own and the webhook's id, so none lies in the database, its dumps or the
audit trail. Scheme: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.utils.crypto import salted_hmac
from standardwebhooks import Webhook as Signer

from apps.teams.notices.models import Webhook

OLD_SECRET_FOR = timedelta(hours=24)
"""So long after a rotation what is sent is signed with the old secret too, so that receivers miss nothing."""


def secret_of(webhook: Webhook, *, generation: int | None = None, key: str | bytes | None = None) -> str:
    """`whsec_` and 32 bytes in Base64; of its present generation unless another is asked for."""
    words = f"{webhook.pk}:{generation or webhook.generation}"
    derived = salted_hmac("hive.webhook", words, secret=key or settings.SECRET_KEY, algorithm="sha256")
    return "whsec_" + base64.b64encode(derived.digest()).decode()


def secrets_in_force(webhook: Webhook, *, now: datetime) -> list[str]:
    """The present one; the one before for a day after it was rotated; those of the Hive's older keys."""
    is_recent = webhook.rotated_at is not None and now < webhook.rotated_at + OLD_SECRET_FOR
    generations = [webhook.generation, webhook.generation - 1] if is_recent else [webhook.generation]
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [secret_of(webhook, generation=each, key=key) for each in generations for key in keys]


def headers_for(secrets: list[str], *, message_id: str, body: str, now: datetime) -> dict[str, str]:
    """Receivers take it when any of the signatures, parted by spaces, is by the secret they know."""
    now = now.astimezone(UTC)
    signatures = (Signer(secret).sign(message_id, now, body) for secret in secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
        "content-type": "application/json",
    }
