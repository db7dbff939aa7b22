"""What an owner's rules forbid is refused by the Bee, and the reason stands in the agreement's history."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.hive.whole import COMPOSE, Bee, WholeHive, until

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]

UNKNOWN = "sha256:" + "0" * 64


def rule(hive: WholeHive, name: str, written: str, instead: str) -> None:
    """A bee that has joined, and whose owner then wrote something else into bee.toml."""
    bee = Bee(hive.folder / name, hive.url)
    bee.join(hive.url, hive.enrolments.pop())
    rewrite(bee, written, instead)


def rewrite(bee: Bee, written: str, instead: str) -> None:
    path = bee.home / "bee.toml"
    text = path.read_text()
    assert written in text
    path.write_text(text.replace(written, instead))


def apply(hive: WholeHive, name: str) -> None:
    hive.team.apply(hive.team.plan(COMPOSE.format(name=name, lease_s=60), file_name="compose.yaml"))


def history_of_the_refused(hive: WholeHive, bee: Bee, state: str) -> list[tuple[str, str, str]]:
    """Of an agreement with this bee, once there is one that came to this state."""
    refused = until(
        lambda: [one for one in hive.team.agreements() if one.node == bee.node_id and one.state == state],
        within_s=60,
    )
    return hive.history("agreement", refused[-1].id)


def test_an_agreement_that_a_rule_forbids_is_not_signed(hive: WholeHive) -> None:
    rule(hive, "choosy", "teams = []", 'teams = ["nobody-here"]')
    with hive.bee("choosy") as bee:
        apply(hive, "unwelcome")
        _, (state, actor, reason) = history_of_the_refused(hive, bee, "rejected")
        assert state == "rejected"
        assert bee.node_id in actor
        assert reason.startswith("the owner's rules don't allow team ")
        hive.stop("unwelcome")


def test_an_image_that_a_rule_forbids_is_not_started(hive: WholeHive) -> None:
    rule(hive, "careful", "digests = []", f'digests = ["{UNKNOWN}"]')
    with hive.bee("careful") as bee:
        apply(hive, "unlisted")
        *_, (state, _, reason) = history_of_the_refused(hive, bee, "terminated")
        assert state == "terminated"
        assert "the owner's rules don't list the digest of image hive/hello:1 (sha256:" in reason
        assert bee.replicas() == []
        hive.stop("unlisted")


def test_what_runs_when_the_owners_hours_are_over_is_stopped(hive: WholeHive) -> None:
    with hive.bee("part-timer") as bee:
        replica = hive.deploy("overtime")
        assert bee.replicas() and replica.agreement and bee.process
        bee.process.terminate()
        bee.process.wait(10)
        later = datetime.now() + timedelta(hours=3)
        hours = f"{later:%H:%M}-{later + timedelta(hours=1):%H:%M}"
        rewrite(bee, "hours = []", f'hours = ["{hours}"]')
        bee.start()
        until(lambda: not bee.replicas())
        *_, (_, _, reason) = history_of_the_refused(hive, bee, "terminated")
        assert f"the owner rents this machine out only {hours} (its local time)" in reason
        assert not hive.team.node(bee.node_id).offers
        hive.stop("overtime")
