"""A whole agent in a process of its own: joining, working, being killed, coming back, leaving."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
import tomllib
from pathlib import Path
from typing import Any

import psutil
import pytest
from msgspec.structs import replace

from agent import clock, typed_data
from agent.protocol import Assignment, HealthCheck, RefusalCode, Refused, Verdict
from tests.agent.conftest import agent, is_alive, kill_what_is_left, left_of
from tests.agent.queen_double import CHAIN_ID, QueenDouble, assignment

pytestmark = pytest.mark.real

SAMPLED_MS = 500
"""At the metering interval of these tests usage is sampled twice as often; the rest is for a busy machine."""


async def ask(endpoint: str, path: str = "/") -> tuple[int, str]:
    reader, writer = await asyncio.open_connection(*endpoint.split(":"))
    writer.write(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    return int(answer.split()[1]), answer.rpartition("\r\n\r\n")[2]


async def placed(queen: QueenDouble, **changes: Any) -> Assignment:
    """An assignment that is healthy on the bee."""
    given = assignment(await queen.agree(), **changes)
    await queen.want(given)
    await queen.until(lambda: queen.is_seen(given, "healthy"))
    return given


async def gone(process: psutil.Process) -> None:
    async with asyncio.timeout(5):
        while is_alive(process):
            await asyncio.sleep(0.02)


def guards(home: Path) -> list[psutil.Process]:
    return [each for each in left_of(home) if "guard.py" in " ".join(each.info["cmdline"])]


# -- joining ----------------------------------------------------------------------------------------------


async def test_it_joins_and_writes_the_owners_rules(queen: QueenDouble, home: Path) -> None:
    options = ["--runtime", "process", "--threads", "1.5", "--price-second", "0.000002", "-o", "json"]
    status, output, error = await agent("join", queen.url, "bee_abc", "--home", str(home), *options)
    assert status == 0, error
    said = json.loads(output)
    hello = queen.hellos[0]
    assert (hello.enrolment_token, hello.node_id) == ("bee_abc", said["node_id"])
    assert hello.info.ssh_host_key.startswith("ssh-ed25519 ")
    rules = tomllib.loads((home / "bee.toml").read_text())
    assert (rules["url"], rules["rent"]["threads"], rules["prices"]["second"]) == (
        queen.url,
        "1.5",
        "0.000002",
    )
    for secret in ("keystore.json", "password", "ssh_host_key", "journal.sqlite3", "lock"):
        assert stat.S_IMODE((home / secret).stat().st_mode) == 0o600


async def test_it_says_why_it_may_not_join_and_does_not_try_again(queen: QueenDouble, home: Path) -> None:
    queen.refusal = Refused(code=RefusalCode.BAD_TOKEN, reason="this token was used before", final=True)
    status, _, error = await agent("join", queen.url, "bee_old", "--home", str(home), "--runtime", "process")
    assert (status, error.strip()) == (3, "hive agent: this token was used before")
    assert len(queen.hellos) == 1
    assert not (home / "bee.toml").exists()


async def test_it_says_when_no_hive_answers(home: Path) -> None:
    status, _, error = await agent(
        "join", "http://127.0.0.1:9", "t", "--home", str(home), "--runtime", "process"
    )
    assert status == 7
    assert "no Hive answers at http://127.0.0.1:9" in error


async def test_it_wants_to_be_told_to_join_twice(queen: QueenDouble, home: Path) -> None:
    command = ["join", queen.url, "t", "--home", str(home), "--runtime", "process"]
    await agent(*command)
    status, _, error = await agent(*command)
    assert status == 2
    assert "has joined already" in error
    assert (await agent(*command, "--force"))[0] == 0
    assert queen.hellos[0].node_id == queen.hellos[1].node_id, "the key stays"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["join", "ftp://x", "t"], "expected http:// or https://"),
        (["join", "http://x"], "Missing argument 'TOKEN'"),
        (["join", "http://x", "t", "--threads", "-1"], "not a number from 0 up"),
        (["join", "http://x", "t", "--runtime", "magic"], "'magic' is not one of"),
    ],
)
async def test_it_explains_wrong_usage(home: Path, arguments: list[str], words: str) -> None:
    status, _, error = await agent(*arguments, "--home", str(home))
    assert status == 2
    assert words in error


async def test_it_does_not_run_before_it_has_joined(home: Path) -> None:
    home.mkdir()
    status, _, error = await agent("run", "--home", str(home))
    assert status == 1
    assert "join a Hive first" in error


# -- working ----------------------------------------------------------------------------------------------


async def test_it_answers_whoever_times_the_way(queen: QueenDouble, running_bee: Any) -> None:
    async with running_bee():
        await queen.until(lambda: queen.observed)
        await queen.ping(7)
        await queen.ping(8)
        await queen.until(lambda: queen.pongs == [7, 8])


async def test_it_works_from_offer_to_invoice(queen: QueenDouble, running_bee: Any) -> None:
    async with running_bee():
        terms = await queen.agree()
        offer = queen.offers[0]
        node = queen.hellos[-1].node_id
        assert typed_data.is_signed_by(
            typed_data.offer(offer, node=node, chain_id=CHAIN_ID), offer.signature, node
        )
        answer = queen.answer_to(terms.agreement_id)
        assert answer and answer.verdict == Verdict.ACCEPTED
        assert typed_data.is_signed_by(
            typed_data.agreement(terms, chain_id=CHAIN_ID), answer.signature or "", node
        )
        given = assignment(terms)
        await queen.want(given)
        seen = await queen.until(lambda: queen.is_seen(given, "healthy"))
        assert await ask(seen.endpoint, "/burn") == (200, "web-1")
        await queen.until(lambda: len(queen.usage.get(terms.agreement_id, ())) >= 2)
        await queen.want()
        await queen.until(lambda: queen.is_seen(given, "stopped"))
        await queen.until(lambda: any(note.final for note in queen.notes))
    chain = [queen.usage[terms.agreement_id][i] for i in sorted(queen.usage[terms.agreement_id])]
    assert chain[-1].final
    assert [each.previous_hash for each in chain[1:]] == [each.hash for each in chain[:-1]]
    assert all(
        typed_data.is_signed_by(typed_data.usage(each, chain_id=CHAIN_ID), each.signature, node)
        for each in chain
    )
    assert sum(each.cpu_ms for each in chain) >= 490
    invoice = queen.notes[-1]
    assert invoice.usage_hash == chain[-1].hash
    assert typed_data.is_signed_by(typed_data.debit_note(invoice, chain_id=CHAIN_ID), invoice.signature, node)


async def test_it_will_not_sign_what_somebody_else_signed_for_the_queen(
    queen: QueenDouble, running_bee: Any
) -> None:
    async with running_bee():
        await queen.until(lambda: queen.offers)
        honest, queen.key = (
            queen.key,
            type(queen.key).create() if hasattr(type(queen.key), "create") else queen.key,
        )
        from eth_account import Account

        queen.key = Account.create()
        terms = await queen.agree(requestor=honest.address.lower())
        answer = queen.answer_to(terms.agreement_id)
        assert answer and (answer.verdict, answer.reason) == (
            Verdict.REJECTED,
            f"it is not signed by the queen {honest.address.lower()}",
        )


async def test_it_runs_nothing_without_an_agreement(queen: QueenDouble, running_bee: Any) -> None:
    async with running_bee():
        given = assignment(replace(await queen.agree(), agreement_id="unsigned"))
        await queen.want(given)
        seen = await queen.until(lambda: queen.is_seen(given, "failed"))
        assert seen.reason == "this bee has signed no agreement unsigned"


async def test_it_waits_for_an_image_and_says_so(queen: QueenDouble, running_bee: Any, home: Path) -> None:
    async with running_bee():
        given = assignment(await queen.agree(image="hive/later:1"))
        await queen.want(given)
        seen = await queen.until(lambda: (s := queen.is_seen(given, "preparing")) and s.reason and s)
        assert seen.reason == "image hive/later:1 is not in this bee's catalogue"
        assert seen.retry_s is not None
        (home / "images/hive/later").mkdir(parents=True)
        (home / "images/hive/hello/1").rename(home / "images/hive/later/1")
        await queen.until(lambda: queen.is_seen(given, "healthy"))


async def test_it_restarts_what_crashes(queen: QueenDouble, running_bee: Any) -> None:
    async with running_bee():
        given = await placed(queen)
        seen = queen.seen(given)
        assert seen
        with pytest.raises((IndexError, OSError)):
            await ask(seen.endpoint, "/crash")
        seen = await queen.until(lambda: (s := queen.seen(given)) and s.restarts == 1 and s)
        assert seen.reason == "exited with status 7"
        await queen.until(lambda: queen.is_seen(given, "healthy"))


async def test_it_tells_unhealthy_from_dead(queen: QueenDouble, running_bee: Any) -> None:
    health = HealthCheck(kind="http", path="/bad", interval_s=0.1, retries=2)
    async with running_bee():
        given = assignment(await queen.agree(), health=health)
        await queen.want(given)
        words = "GET /bad answered 500"
        seen = await queen.until(lambda: (s := queen.is_seen(given, "unhealthy")) and s.reason == words and s)
        assert seen.restarts == 0


# -- faults -----------------------------------------------------------------------------------------------


async def test_it_stops_when_its_lease_runs_out_and_the_queen_is_silent(
    queen: QueenDouble, running_bee: Any, home: Path
) -> None:
    async with running_bee():
        given = await placed(queen)
        short = replace(given, lease_s=1.5)
        await queen.want(short)
        (guard,) = guards(home)
        queen.refusal = Refused(code=RefusalCode.PROTOCOL, reason="not now", final=False)
        await queen.cut()
        await gone(guard)


async def test_it_keeps_what_runs_when_the_link_is_cut_and_reports_it_again(
    queen: QueenDouble, running_bee: Any, home: Path
) -> None:
    async with running_bee():
        given = await placed(queen)
        before = guards(home)
        await queen.cut()
        queen.observed.clear()
        await queen.until(lambda: queen.is_seen(given, "healthy"))
        assert guards(home) == before
        assert len(queen.hellos) == 2


async def test_it_starts_nothing_twice_and_loses_no_usage_when_it_is_killed(
    queen: QueenDouble, running_bee: Any, home: Path
) -> None:
    queen.is_deaf = True
    async with running_bee() as first:
        given = await placed(queen)
        seen = queen.seen(given)
        assert seen
        await ask(seen.endpoint, "/burn")
        await asyncio.sleep(1.2)
        first.kill()
        await first.wait()
    (guard,) = guards(home)
    assert (await ask(seen.endpoint))[0] == 200, "it serves on while no agent lives"
    queen.observed.clear()
    queen.is_deaf = False
    async with running_bee():
        again = await queen.until(lambda: queen.is_seen(given, "healthy"))
        assert (again.endpoint, again.restarts) == (seen.endpoint, 0)
        assert guards(home) == [guard]
        await queen.want()
        await queen.until(lambda: any(note.final for note in queen.notes))
        assert guards(home) == []
    chain = queen.usage[given.agreement_id]
    assert sorted(chain) == list(range(1, len(chain) + 1))
    reports = [chain[i] for i in sorted(chain)]
    assert [each.previous_hash for each in reports[1:]] == [each.hash for each in reports[:-1]]
    assert sum(each.cpu_ms for each in reports) >= 490
    spanned = reports[-1].ended_at_ms - reports[0].started_at_ms
    assert sum(each.running_ms for each in reports) >= 0.8 * spanned, "the time without an agent counts"


async def test_it_claims_no_second_after_a_power_cut(
    queen: QueenDouble, running_bee: Any, home: Path
) -> None:
    """Bee, guard and payload are killed at once. Back again, the Bee claims what it saw, and that alone."""
    async with running_bee() as first:
        given = await placed(queen)
        started_ms = clock.wall_ms()
        await queen.until(lambda: len(queen.usage.get(given.agreement_id, ())) >= 2)
        await asyncio.sleep(0.3)  # into the next interval: this much is not reported yet
        first.kill()
        kill_what_is_left(home)
        killed_ms = clock.wall_ms()
        await first.wait()
    await asyncio.sleep(1.5)
    queen.assignments = []
    async with running_bee():
        await queen.until(lambda: any(note.final for note in queen.notes))
    reports = [report for _, report in sorted(queen.usage[given.agreement_id].items())]
    assert reports[-1].final
    alive_ms = killed_ms - reports[0].started_at_ms
    assert killed_ms - started_ms - SAMPLED_MS <= sum(each.running_ms for each in reports) <= alive_ms


async def test_it_ends_what_it_finds_and_nobody_wants(
    queen: QueenDouble, running_bee: Any, home: Path
) -> None:
    async with running_bee():
        given = await placed(queen)
    assert len(guards(home)) == 1, "SIGTERM leaves it running"
    assert queen.close_codes == [1000], "and says goodbye"
    queen.assignments = []
    async with running_bee():
        await queen.until(lambda: any(note.final for note in queen.notes))
        assert guards(home) == []
        assert queen.seen(given) is None or queen.is_seen(given, "stopped")


async def test_it_takes_everything_along_when_its_owner_says_so(
    queen: QueenDouble, running_bee: Any, home: Path
) -> None:
    async with running_bee("--stop-replicas") as process:
        given = await placed(queen)
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    assert left_of(home) == []
    reports = queen.usage[given.agreement_id].values()
    assert sum(each.running_ms for each in reports) > 0
    assert not any(each.final for each in reports), "the agreement goes on"


async def test_it_ends_with_the_reason_when_it_is_refused_for_good(
    queen: QueenDouble, running_bee: Any, home: Path
) -> None:
    async with running_bee() as process:
        await queen.until(lambda: queen.links)
        queen.refusal = Refused(code=RefusalCode.BANNED, reason="banned: mined", final=True)
        await queen.cut()
        assert await process.wait() == 3
    assert len(queen.hellos) == 2


async def test_it_tries_again_when_it_is_refused_for_now(queen: QueenDouble, running_bee: Any) -> None:
    async with running_bee():
        await queen.until(lambda: queen.links)
        queen.refusal = Refused(code=RefusalCode.PROTOCOL, reason="starting up", final=False)
        await queen.cut()
        async with asyncio.timeout(5):
            while len(queen.hellos) < 2:
                await asyncio.sleep(0.05)
        queen.refusal = None
        queen.observed.clear()
        await queen.until(lambda: queen.observed)


async def test_it_finds_a_portal_that_has_moved(queen: QueenDouble, running_bee: Any) -> None:
    async with running_bee():
        await queen.until(lambda: queen.observed)
    async with QueenDouble().at_work() as moved, running_bee("--url", moved.url):
        await moved.until(lambda: moved.observed)
    assert len(queen.hellos) == 1


async def test_it_lets_no_second_agent_use_its_home(queen: QueenDouble, running_bee: Any, home: Path) -> None:
    async with running_bee():
        await queen.until(lambda: queen.links)
        status, _, error = await agent("run", "--home", str(home))
        assert status == 1
        assert "another agent is running" in error
