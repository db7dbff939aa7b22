"""`hive agent quote`: the sum line by line, beside what bee.toml takes now; `hive agent digest`."""

from __future__ import annotations

import hashlib
import json
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from agent.cli import agent_group
from agent.config import Config, Costs, Prices, Rent, read_config, write_config

D = Decimal
FIGURES = ["--watts-idle", "40", "--watts-busy", "120", "--power-price", "0.30", "--glm-price", "0.25"]
CONFIG = Config(url="http://q", name="b", advertise="h", rent=Rent(threads=D(1), mem_gib=D(8)))


def hive_agent(*arguments: str) -> Result:
    return CliRunner().invoke(agent_group, arguments)


def quote(home: Path, *figures: str) -> dict[str, Any]:
    result = hive_agent("quote", "--home", str(home), "--json", *figures)
    assert result.exit_code == 0, result.output
    return dict(json.loads(result.output))


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.machine.all_threads", lambda: D(1))


@pytest.mark.usefixtures("one_thread")
def test_it_shows_the_sum_before_anything_is_joined(tmp_path: Path) -> None:
    result = hive_agent("quote", "--home", str(tmp_path), *FIGURES)
    assert result.exit_code == 0
    for line in [
        "power to be on            40 W x 0.3 per kWh                       0.012000",
        "power while nothing runs  the same for 16 h a day, carried by 8 h  0.024000",
        "power of one busy thread  (120 - 40) W / 1 threads x 0.3 per kWh  0.024000",
        "an idle hour ",
        'policy = "cost"',
    ]:
        assert line in result.output
    assert "bee.toml now" not in result.output


@pytest.mark.usefixtures("one_thread")
def test_it_adds_up(tmp_path: Path) -> None:
    found = quote(tmp_path, *FIGURES, "--margin-percent", "100")
    assert found["running_hour"]["together"] == "0.036"
    assert sum(D(term["amount"]) for term in found["running_hour"]["terms"]) == D("0.036")
    idle, busy, _ = found["hours"]
    assert D(idle["cost_glm"]) == pytest.approx(D("0.036") / D("0.25") / D("0.95"))
    assert D(busy["cost_glm"]) == pytest.approx(D("0.060") / D("0.25") / D("0.95"))
    assert D(busy["asked_glm"]) == pytest.approx(D(busy["cost_glm"]) * 2)
    assert found["bee_toml"] is None
    assert not found["loses"]


def test_it_says_where_bee_toml_would_work_at_a_loss(tmp_path: Path) -> None:
    generous = Prices(second=D(1), cpu_second=D(0))
    write_config(tmp_path, replace(CONFIG, prices=generous))
    assert not quote(tmp_path, *FIGURES)["loses"]
    write_config(tmp_path, replace(CONFIG, prices=replace(generous, lowest_percent=D(0))))
    losing = quote(tmp_path, *FIGURES)
    assert losing["loses"]
    assert losing["hours"][0]["loss_glm"] == losing["hours"][0]["cost_glm"].rstrip("0")
    assert "a loss of" in hive_agent("quote", "--home", str(tmp_path), *FIGURES).output


def test_it_takes_the_figures_of_bee_toml_and_lets_them_be_tried_otherwise(tmp_path: Path) -> None:
    costs = Costs(watts_idle=D(10), watts_busy=D(20), power_price_per_kwh=D(1), glm_price=D(1))
    write_config(tmp_path, replace(CONFIG, prices=Prices(policy="cost", cost=costs)))
    written = quote(tmp_path)
    assert written["costs"]["watts_idle"] == "10"
    assert written["bee_toml"]["asked"] == written["asked"], "policy cost asks just that"
    assert not written["loses"]
    assert "put this into bee.toml" not in hive_agent("quote", "--home", str(tmp_path)).output
    assert quote(tmp_path, "--watts-idle", "15")["loses"]


def test_it_prints_what_can_be_pasted_into_bee_toml(tmp_path: Path) -> None:
    write_config(tmp_path, CONFIG)
    output = hive_agent("quote", "--home", str(tmp_path), *FIGURES, "--always-on").output
    section = output[output.index("[prices.cost]") :]
    bee_toml = tmp_path / "bee.toml"
    text = bee_toml.read_text().replace('policy = "fixed"', 'policy = "cost"') + section
    bee_toml.write_text(text)
    costs = read_config(tmp_path).prices.cost
    assert costs == Costs(
        watts_idle=D(40),
        watts_busy=D(120),
        power_price_per_kwh=D("0.30"),
        glm_price=D("0.25"),
        always_on=True,
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (FIGURES[:4], "--power-price, --glm-price: needed here or under [prices.cost] in bee.toml"),
        ([*FIGURES, "--glm-price", "0"], "glm_price: expected a number above 0, got 0"),
        ([*FIGURES, "--watts-idle", "500"], "expected watts_idle <= watts_one_thread <= watts_busy"),
        ([*FIGURES, "--hours-per-day", "25"], "hours_per_day: a day has 24"),
        ([*FIGURES, "--watts-idle", "warm"], "'warm' is not a number"),
    ],
)
def test_it_says_which_figure_is_wrong(tmp_path: Path, arguments: list[str], words: str) -> None:
    result = hive_agent("quote", "--home", str(tmp_path), *arguments)
    assert result.exit_code == 2
    assert words in result.output


def test_it_shows_the_digests_of_an_image_in_the_catalogue(tmp_path: Path) -> None:
    write_config(tmp_path, replace(CONFIG, rules=replace(CONFIG.rules, runtimes=("process",))))
    image = tmp_path / "images/hive/hello/1"
    image.mkdir(parents=True)
    (image / "image.json").write_text('{"entrypoint": ["/bin/true"]}')
    listing = hashlib.sha256(b'{"entrypoint": ["/bin/true"]}').hexdigest() + "  ./image.json\n"
    result = hive_agent("digest", "hive/hello:1", "--home", str(tmp_path))
    assert result.exit_code == 0, result.output
    assert f"sha256:{hashlib.sha256(listing.encode()).hexdigest()}" in result.output.split()
    assert sum(line.startswith("sha3-256:") for line in result.output.split()) == 1
    missing = hive_agent("digest", "hive/other:1", "--home", str(tmp_path))
    assert missing.exit_code == 1
    assert "process: image hive/other:1" in missing.output


def test_it_writes_toml_that_says_what_was_meant(tmp_path: Path) -> None:
    costs = Costs(
        watts_idle=D(1), watts_one_thread=D(2), watts_busy=D(3), power_price_per_kwh=D(4), glm_price=D(5)
    )
    odd = Config(
        url="http://q",
        name='b"\\\x7f🐝',
        advertise="h",
        rent=Rent(threads=D("1.5"), mem_gib=D(1), replica_storage_gib=D(3), hours=("mon-fri 22:00-08:00",)),
        prices=Prices(policy="load", peak_percent=D(150), cost=costs),
        rules=replace(
            CONFIG.rules,
            digests=("sha3-256:" + "a" * 64,),
            signers=("-----BEGIN PUBLIC KEY-----\nx\n-----END PUBLIC KEY-----\n", "a.pub"),
            teams=("bees",),
            console=False,
        ),
    )
    for config in (CONFIG, odd):
        write_config(tmp_path, config)
        assert read_config(tmp_path) == config
        tomllib.loads((tmp_path / "bee.toml").read_text())


def test_it_writes_json_as_the_other_commands_do(tmp_path: Path) -> None:
    asked = ["quote", "--home", str(tmp_path), *FIGURES]
    assert json.loads(hive_agent(*asked, "-o", "json").output)
    assert hive_agent(*asked, "-o", "json").output == hive_agent(*asked, "--json").output
