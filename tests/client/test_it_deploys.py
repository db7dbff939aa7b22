"""`hive plan` and `hive deploy`: the plan is shown, applied when agreed, and followed to its end."""

import json
from pathlib import Path

from tests.client.conftest import Run
from tests.client.double import DoubleOfTheHive, deployment, plan, refusal, replica

APPLY = "plans/8b6b3c3e-0000-4000-8000-000000000002/apply/"
LOOK = "deployments/8b6b3c3e-0000-4000-8000-000000000001/"


def _growing(double: DoubleOfTheHive, *looks: dict[str, object]) -> None:
    """A deployment that shows these looks, one after the other."""
    double.answers("POST", "plans/", (201, plan()))
    double.answers("POST", APPLY, (201, deployment(status="waiting")))
    double.answers("GET", LOOK, *((200, look) for look in looks))
    double.answers(
        "GET", f"{LOOK}replicas/", (200, [replica(state="starting", reason="pulls")]), (200, [replica()])
    )


def test_it_shows_where_replicas_would_go(hive: Run, double: DoubleOfTheHive, home: Path) -> None:
    (home / "compose.yaml").write_text("name: hello\n")
    double.answers("POST", "plans/", (201, plan()))
    told = hive("plan").stdout
    assert "anna 0x1111…1111" in told
    assert "cannot be placed: no bee offers 64 CPU threads" in told
    assert "1 of 2 replicas cannot be placed now." in told
    assert "0.004 GLM per hour" in told and "10 GLM, enough for 104 d" in told
    assert double.asked == [
        ("POST", "/api/v1/plans/", {"source": "name: hello\n", "file_name": "compose.yaml"})
    ]


def test_it_plans_what_comes_on_standard_input(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("POST", "plans/", (201, plan()))
    result = hive("plan", "-f", "-", "--name", "hi", "-o", "json", stdin="services: {}\n")
    assert json.loads(result.stdout)["price_per_hour_glm"] == "0.004"
    assert double.asked[0][2] == {"source": "services: {}\n", "name": "hi", "file_name": "standard input"}


def test_it_prints_one_fault_a_line(hive: Run, double: DoubleOfTheHive) -> None:
    faults = [
        "services.web.imge: unknown key (compose.yaml, line 3)",
        "services.web.ports: expected a list (…)",
    ]
    problems = [{"place": fault.partition(":")[0], "message": fault} for fault in faults]
    double.answers("POST", "plans/", refusal(400, "manifest", "\n".join(faults), problems=problems))
    result = hive("plan", "-f", "-", stdin="x")
    assert result.exit_code == 5
    assert result.stderr.splitlines() == [f"Error: {fault}" for fault in faults]


def test_it_follows_until_all_is_healthy(hive: Run, double: DoubleOfTheHive) -> None:
    _growing(double, deployment(status="starting"), deployment())
    result = hive("deploy", "-f", "-", "--yes", stdin="x")
    assert result.exit_code == 0, result.output
    assert result.stdout.endswith("hello is healthy. It answers at http://web.hello.bakery.localhost:8080\n")
    assert result.stderr.splitlines() == ["web-1 is starting on anna: pulls", "web-1 is healthy on anna"]


def test_it_prints_nothing_but_json(hive: Run, double: DoubleOfTheHive) -> None:
    _growing(double, deployment())
    result = hive("deploy", "-f", "-", "--yes", "-o", "json", stdin="x")
    assert json.loads(result.stdout)["price_per_hour_glm"] == "0.012345678901234567"


def test_it_fails_with_the_reason(hive: Run, double: DoubleOfTheHive) -> None:
    web = deployment()["services"][0] | {"replicas_failed": 1}
    _growing(double, deployment(status="degraded", reason="web-1: no such image", services=[web]))
    result = hive("deploy", "-f", "-", "--yes", stdin="x")
    assert result.exit_code == 1
    assert result.stderr.endswith("Error: hello failed: web-1: no such image\n")


def test_it_tells_programs_how_it_was_seen_last(hive: Run, double: DoubleOfTheHive) -> None:
    _growing(double, deployment(status="waiting", reason="web-1: no bee offers 64 CPU threads"))
    result = hive("deploy", "-f", "-", "--yes", "--timeout", "0", "-o", "json", stdin="x")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["status"], told["reason"]) == ("waiting", "web-1: no bee offers 64 CPU threads")


def test_it_says_that_the_budget_is_too_small(hive: Run, double: DoubleOfTheHive) -> None:
    double.answers("POST", "plans/", (201, plan(first_leases_glm="10.0000001", available_glm="9.9999999")))
    told = hive("plan", "-f", "-", stdin="x").stdout
    assert "Budget too small: the first lease needs 10 GLM, the budget has 9.99999 GLM." in told


def test_it_gives_no_address_before_a_replica_is_healthy(hive: Run, double: DoubleOfTheHive) -> None:
    web = deployment()["services"][0] | {"replicas_healthy": 0}
    _growing(double, deployment())
    double.answers("POST", APPLY, (201, deployment(status="waiting", services=[web])))
    told = hive("deploy", "-f", "-", "--yes", "--no-wait", stdin="x").stdout
    assert told.endswith("hello is waiting.\n")


def test_it_stops_following_in_time(hive: Run, double: DoubleOfTheHive) -> None:
    _growing(double, deployment(status="waiting", reason="web-1: no bee offers 64 CPU threads"))
    result = hive("deploy", "-f", "-", "--yes", "--timeout", "0", stdin="x")
    assert result.exit_code == 1
    assert "still waiting after 0 s: web-1: no bee offers 64 CPU threads" in result.stderr


def test_it_can_leave_it_at_that(hive: Run, double: DoubleOfTheHive) -> None:
    _growing(double, deployment())
    assert "hello is waiting" in hive("deploy", "-f", "-", "--yes", "--no-wait", stdin="x").stdout
    assert ("GET", f"/api/v1/{LOOK}") not in [asked[:2] for asked in double.asked]


def test_it_applies_nothing_unasked(hive: Run, double: DoubleOfTheHive) -> None:
    result = hive("deploy", "-f", "-", stdin="x")
    assert result.exit_code == 2
    assert "add --yes" in result.stderr
    assert double.asked == []
