"""A deployment's status is read off one list, from the top."""

import pytest

from apps.deployments.models import Wanted
from apps.deployments.replicas import ReplicaState
from apps.deployments.status import DeploymentStatus, derive


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([], "idle"),
        (["healthy"], "healthy"),
        (["healthy", "healthy"], "healthy"),
        (["healthy", "pending"], "waiting"),
        (["healthy", "negotiating"], "waiting"),
        (["starting", "pending"], "waiting"),
        (["healthy", "starting"], "starting"),
        (["healthy", "stopping"], "starting"),
        (["stopped"], "starting"),
        (["unhealthy", "starting"], "unhealthy"),
        (["unhealthy", "healthy", "pending"], "degraded"),
        (["failed", "healthy"], "degraded"),
        (["failed", "pending"], "failed"),
        (["failed", "unhealthy"], "failed"),
        (["failed"], "failed"),
    ],
)
def test_it_takes_the_first_that_holds(states: list[str], status: str) -> None:
    assert derive(Wanted.RUNNING, wanted=states) == status


@pytest.mark.parametrize(
    ("states", "status"),
    [
        ([], "stopped"),
        (["stopped", "failed"], "stopped"),
        (["stopped", "stopping"], "stopping"),
        (["healthy"], "stopping"),
    ],
)
def test_it_is_stopped_when_all_of_it_is(states: list[str], status: str) -> None:
    assert derive(Wanted.STOPPED, wanted=states) == status


def test_it_overlooks_replicas_that_were_scaled_away() -> None:
    assert derive(Wanted.RUNNING, wanted=["healthy"], others=["stopping"]) == "healthy"
    assert derive(Wanted.STOPPED, wanted=["stopped"], others=["stopping"]) == "stopping"


@pytest.mark.parametrize("state", ReplicaState.values)
def test_it_has_a_status_for_every_state(state: str) -> None:
    assert derive(Wanted.RUNNING, wanted=[state]) in DeploymentStatus
