"""`hive keys`: what application keys may and have spent; making, changing and revoking them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.client.conftest import Run
from tests.client.double import DoubleOfTheHive, page, refusal

AT = "2026-01-01T00:00:00Z"
PROVIDER = "0x" + "ab" * 20
PEM = "-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n"


def key(**fields: Any) -> dict[str, Any]:
    return {
        "id": 7,
        "name": "ci",
        "hint": "hive_AbCdEfG",
        "team": "bakery",
        "state": "issued",
        "created_at": AT,
        "expires_at": AT,
        "revoked_at": None,
        "last_used_at": None,
        "providers": [PROVIDER],
        "images": [],
        "signers": [],
        "limit_glm": "20",
        "limit_per_day_glm": None,
        "limit_per_hour_glm": None,
        "requests_per_minute": 60,
        "in_words": "1 provider; 20 GLM in all; 60 requests a minute",
        "spent_glm": "1.25",
        "spent_today_glm": "0.5",
        "held_glm": "0.1",
        "per_hour_glm": "0.02",
        "deployments": ["hello"],
    } | fields


def test_it_lists_what_each_may(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "keys/", page(key(), key(id=8, name="all", in_words="everything")))
    _, first, second = hive("keys").stdout.splitlines()
    assert first.split()[:6] == ["ci", "7", "issued", "1.25", "0.5", "never"]
    assert first.endswith("1 provider; 20 GLM in all; 60 requests a minute")
    assert second.endswith("everything")


def test_it_makes_one_and_writes_the_secret_alone(hive: Run, double: DoubleOfTheHive, home: Path) -> None:
    double.answers("POST", "keys/", (201, key(key="hive_secret")))
    (home / "cosign.pub").write_text(PEM)
    made = hive(
        *("keys", "make", "ci", "--provider", PROVIDER, "--signer", "cosign.pub"),
        *("--limit", "20", "--limit-per-day", "2.5", "--requests-per-minute", "60"),
    )
    assert made.stdout == "hive_secret\n"
    assert "It may: 1 provider" in made.stderr
    [(_, _, body)] = double.asked
    assert body == {
        "name": "ci",
        "valid_days": 90,
        "providers": [PROVIDER],
        "signers": [PEM.strip()],
        "limit_glm": "20",
        "limit_per_day_glm": "2.5",
        "requests_per_minute": "60",
    }


def test_it_changes_only_what_is_said(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "keys/", page(key()))
    double.answers("PATCH", "keys/7/", (200, key(providers=[])))
    shown = hive("keys", "change", "ci", "--provider", "all", "--limit", "none")
    assert shown.exit_code == 0
    assert double.asked[-1] == ("PATCH", "/api/v1/keys/7/", {"providers": [], "limit_glm": None})
    assert "deployments: hello" in shown.stdout


def test_it_shows_every_digit_as_json(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "keys/", page(key(spent_glm="1.000000000000000001")))
    assert json.loads(hive("keys", "show", "7", "-o", "json").stdout)["spent_glm"] == "1.000000000000000001"


def test_it_revokes_by_name(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "keys/", page(key(), key(id=6, state="revoked")))
    double.answers("DELETE", "keys/7/", (204, None))
    assert hive("keys", "revoke", "ci").exit_code == 0
    assert double.asked[-1][:2] == ("DELETE", "/api/v1/keys/7/")


def test_it_names_what_it_does_not_find(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("GET", "keys/", page(key(), key(id=8)))
    several, none = hive("keys", "show", "ci"), hive("keys", "revoke", "99")
    assert "is the name of 2 keys: give the id of one" in several.stderr and several.exit_code == 2
    assert "99 is no key of your team" in none.stderr and none.exit_code == 4


def test_it_refuses_what_is_no_amount(hive: Run) -> None:
    refused = hive("keys", "make", "ci", "--limit", "much")
    assert refused.exit_code == 2
    assert 'expected an amount of 0 or more, or "none"' in refused.stderr


def test_it_exits_as_refused_where_a_key_forbids(hive: Run, double: DoubleOfTheHive, home: Path) -> None:
    (home / "compose.yaml").write_text("services: {}")
    words = 'services.web.image: key "ci" allows images by digest (compose.yaml, line 3)'
    problem = {"place": "services.web.image", "line": 3, "message": words}
    double.answers("POST", "plans/", refusal(422, "key_forbids", words, problems=[problem]))
    refused = hive("plan")
    assert refused.exit_code == 6
    assert words in refused.stderr


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "there is no file cosign.pub"),
        ("-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n", "holds no public key"),
        ("password=secret", "holds no public key"),
    ],
)
def test_it_sends_no_file_that_is_no_public_key(
    hive: Run, double: DoubleOfTheHive, home: Path, text: str | None, told: str
) -> None:
    if text is not None:
        (home / "cosign.pub").write_text(text)
    refused = hive("keys", "make", "ci", "--signer", "cosign.pub")
    assert refused.exit_code == 2
    assert told in refused.stderr and "secret" not in refused.stderr
    assert not double.asked
