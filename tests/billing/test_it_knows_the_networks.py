"""The table of networks, and settings that contradict it or each other."""

import dataclasses
import os
import subprocess
import sys

import pytest

from apps.billing.chain.networks import ChainSettings, contradictions, doubts, network_of, networks

MAINNET = ChainSettings(
    network="mainnet",
    chain_id=1,
    token=networks()["mainnet"].token,
    multi_transfer=networks()["mainnet"].multi_transfer,
    confirmations=12,
    finality=96,
    start_block=21_000_000,
    rpc_urls=("https://a.example", "https://b.example", "https://c.example"),
    quorum=0,
)
DEVELOPMENT = dataclasses.replace(
    MAINNET,
    network="development",
    chain_id=31337,
    token="0x" + "5f" * 20,
    multi_transfer="",
    confirmations=2,
    finality=5,
    start_block=0,
    rpc_urls=("http://127.0.0.1:8545",),
)


def test_every_network_of_the_table_contradicts_nothing_by_itself():
    for network in networks().values():
        said = ChainSettings(
            network=network.name,
            chain_id=network.chain_id,
            token=network.token,
            multi_transfer=network.multi_transfer,
            confirmations=network.confirmations,
            finality=network.finality,
            start_block=1,
            rpc_urls=("http://127.0.0.1:8545",),
            quorum=0,
        )
        assert (contradictions(said), doubts(said)) == ([], [])
        assert network_of(network.chain_id) == network


@pytest.mark.parametrize(
    ("slip", "told"),
    [
        ({"chain_id": 137}, "HIVE_CHAIN_ID=137 contradicts HIVE_NETWORK=mainnet, which is chain 1: leave "),
        ({"chain_id": 137}, "set HIVE_NETWORK=polygon"),
        ({"network": "development"}, "HIVE_CHAIN_ID=1 contradicts HIVE_NETWORK=development"),
        ({"token": networks()["polygon"].token}, "HIVE_GLM_TOKEN is a contract on polygon (chain 137)"),
        ({"token": "0x12"}, 'HIVE_GLM_TOKEN: expected an address, 0x and 40 hexadecimal digits, got "0x12"'),
        ({"multi_transfer": networks()["hoodi"].token}, "HIVE_MULTI_TRANSFER is a contract on hoodi"),
        ({"confirmations": 0}, "HIVE_CONFIRMATIONS=0: expected 1"),
        ({"finality": 11}, "HIVE_FINALITY=11 is less than HIVE_CONFIRMATIONS=12"),
        ({"start_block": -1}, "HIVE_CHAIN_START_BLOCK=-1"),
        ({"rpc_urls": ()}, "HIVE_RPC_URL is not set"),
        ({"rpc_urls": ("127.0.0.1:8545",)}, "HIVE_RPC_URL: expected http:// or https://"),
        ({"rpc_urls": ("http://a", "http://a")}, "HIVE_RPC_URL names a node twice"),
        ({"quorum": 4}, "HIVE_RPC_QUORUM=4: expected 1 to 3"),
    ],
)
def test_it_refuses_what_contradicts_itself(slip, told):
    found = contradictions(dataclasses.replace(MAINNET, **slip))
    assert any(told in each for each in found), found


def test_a_chain_of_ones_own_is_no_contradiction():
    assert contradictions(dataclasses.replace(DEVELOPMENT, chain_id=1337)) == []
    assert contradictions(dataclasses.replace(DEVELOPMENT, token="", rpc_urls=())) == []


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"token": "0x" + "5f" * 20}, "HIVE_GLM_TOKEN is 0x5f"),
        ({"finality": 20}, "HIVE_FINALITY=20: on mainnet reorganisations were deeper"),
        ({"start_block": 0}, "HIVE_CHAIN_START_BLOCK is not set"),
        ({"rpc_urls": ("https://a", "https://b")}, "names two nodes: money waits"),
    ],
)
def test_it_doubts_what_is_seldom_meant(choice, told):
    said = dataclasses.replace(MAINNET, **choice)
    assert contradictions(said) == []
    [doubt] = doubts(said)
    assert told in doubt
    assert doubts(MAINNET) == doubts(DEVELOPMENT) == []


def test_the_settings_take_the_networks_own_and_let_each_be_overridden():
    said = "s.HIVE_CHAIN_ID, s.HIVE_CONFIRMATIONS, s.HIVE_FINALITY, s.HIVE_GLM_TOKEN"
    assert _asked(said, HIVE_NETWORK="polygon", HIVE_FINALITY="300") == str(
        (137, 64, 300, networks()["polygon"].token)
    )


def test_check_refuses_a_contradiction():
    with pytest.raises(subprocess.CalledProcessError) as refused:
        _run("manage.py", "check", HIVE_NETWORK="mainnet", HIVE_CHAIN_ID="137")
    assert "hive.E002" in refused.value.stderr
    assert "HIVE_CHAIN_ID=137 contradicts HIVE_NETWORK=mainnet" in refused.value.stderr


def _asked(expression, **environment):
    program = f"import hive_portal.settings as s; print(({expression}))"
    return _run("-c", program, **environment).stdout.strip()


def _run(*command, **environment):
    known = {name: value for name, value in os.environ.items() if not name.startswith("HIVE_")}
    return subprocess.run(
        [sys.executable, *command],
        env=known | {"HIVE_SECRET_KEY": "-", "DATABASE_URL": "postgres:///none"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
