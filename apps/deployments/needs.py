"""What a service asks of the market: the one way from a manifest to a `Need`, for plans and for demands."""

from __future__ import annotations

from collections.abc import Callable, Collection

from apps.deployments.manifest import ServiceSpec
from apps.market.needs import Affinity, Need


def need_of(
    spec: ServiceSpec,
    *,
    group: str,
    group_of: Callable[[str], str],
    allowed_nodes: Collection[str] | None = None,
    avoid_nodes: Collection[str] = (),
) -> Need:
    """What one replica of it needs. `group_of` names the group of another service of the same deployment.

    Where others of either group are already is the caller's to add: `beside_nodes`, `near_nodes`.
    """
    return Need(
        runtimes=spec.runtimes,
        cpu_threads=spec.cpu_threads,
        mem_gib=spec.mem_gib,
        storage_gib=spec.storage_gib,
        gpus=spec.gpus,
        max_price_per_hour_glm=spec.max_price_per_hour_glm,
        max_start_glm=spec.max_start_glm,
        max_egress_gib_glm=spec.max_egress_gib_glm,
        constraints=spec.constraints,
        regions=tuple(spec.regions),
        benchmarks=spec.benchmarks,
        strategy=spec.strategy,
        group=group,
        spread=spec.spread,
        spread_required=spec.spread_required,
        affinity=_affinity(spec, group_of),
        allowed_nodes=None if allowed_nodes is None else frozenset(allowed_nodes),
        avoid_nodes=frozenset(avoid_nodes),
    )


def _affinity(spec: ServiceSpec, group_of: Callable[[str], str]) -> Affinity | None:
    if spec.affinity is None:
        return None
    return Affinity(
        group=group_of(spec.affinity.service), by=spec.affinity.by, required=spec.affinity.required
    )
