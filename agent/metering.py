"""Usage of one agreement, from counters to a signed chain of reports, and what to ask for it. All pure.

Running time is taken on the boot clock, so a clock that is set can't make seconds; the instants in a report
are Unix milliseconds and never go back within an agreement.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
from msgspec.structs import replace

from agent import typed_data
from agent.keys import Signer
from agent.protocol import DebitNote, Price, Terms, Usage, UsageAck
from agent.runtimes.base import Counters

PATIENCE_S = 60.0
"""How long the Queen's rating may lag behind what it has acknowledged before the Bee asks its own figure."""


class Meter(msgspec.Struct, frozen=True, kw_only=True):
    """Where an agreement's metering stands."""

    agreement_id: str
    price: Price
    since_ms: int
    """End of the last report, Unix time."""
    sequence: int = 0
    head: str = typed_data.NO_HASH
    cost_glm: Decimal = Decimal(0)
    """Of everything reported so far, by our own figures."""
    closed: bool = False
    lately_glm: Decimal = Decimal(0)
    """Of what was gathered since the Queen was last heard, without the start price."""
    unheard_glm: Decimal = Decimal(0)
    """The same of all times that turned out to be without a link: she bills nothing of them."""
    # Gathered since the last report:
    running_ms: int = 0
    cpu_ms: int = 0
    egress_bytes: int = 0
    # Up to where the current run is gathered:
    run_id: str = ""
    run_gathered_ms: int = 0
    """On the boot clock."""
    run_counters: Counters = Counters()
    paused: bool = False
    """The current run is frozen by the owner: its time does not count."""


def open_meter(terms: Terms, wall_ms: int) -> Meter:
    return Meter(agreement_id=terms.agreement_id, price=terms.price, since_ms=wall_ms)


def run_started(meter: Meter, run_id: str, boot_ms: int) -> Meter:
    """From here on time counts."""
    return replace(meter, run_id=run_id, run_gathered_ms=boot_ms, run_counters=Counters(), paused=False)


def run_paused(meter: Meter, run_id: str, paused: bool, counters: Counters, boot_ms: int) -> Meter:
    """Up to here its time counted, or did not."""
    meter = gather(meter, run_id, counters, boot_ms)
    return replace(meter, paused=paused) if meter.run_id == run_id else meter


def gather(meter: Meter, run_id: str, counters: Counters, boot_ms: int) -> Meter:
    """Take in what the run has used until now; a run that is not the current one has been taken in before."""
    if meter.run_id != run_id:
        return meter
    before, counters = meter.run_counters, counters.at_least(meter.run_counters)
    ran_ms = 0 if meter.paused else max(0, boot_ms - meter.run_gathered_ms)
    cpu_ms, egress_bytes = counters.cpu_ms - before.cpu_ms, counters.egress_bytes - before.egress_bytes
    return replace(
        meter,
        running_ms=meter.running_ms + ran_ms,
        cpu_ms=meter.cpu_ms + cpu_ms,
        egress_bytes=meter.egress_bytes + egress_bytes,
        lately_glm=meter.lately_glm + _rate_glm(meter.price, ran_ms, cpu_ms, egress_bytes),
        run_gathered_ms=max(boot_ms, meter.run_gathered_ms),
        run_counters=counters,
    )


def heard(meter: Meter) -> Meter:
    """The Queen is there and knows what ran until now."""
    return replace(meter, lately_glm=Decimal(0))


def unheard(meter: Meter) -> Meter:
    """There was no link since she was last heard."""
    return replace(meter, lately_glm=Decimal(0), unheard_glm=meter.unheard_glm + meter.lately_glm)


def run_ended(meter: Meter, run_id: str, counters: Counters, boot_ms: int | None) -> Meter:
    """`boot_ms`: when it ended; None when nobody knows, and it counts only as far as it was gathered."""
    meter = gather(meter, run_id, counters, meter.run_gathered_ms if boot_ms is None else boot_ms)
    return replace(meter, run_id="", paused=False) if meter.run_id == run_id else meter


def is_worth_a_report(meter: Meter) -> bool:
    return not meter.closed and bool(meter.run_id or meter.running_ms or meter.cpu_ms or meter.egress_bytes)


def cut(meter: Meter, *, wall_ms: int, final: bool, key: Signer, chain_id: int) -> tuple[Usage, Meter]:
    """Close the interval that began with the last report: (its signed report, the meter after it)."""
    ended_ms = max(wall_ms, meter.since_ms)
    draft = Usage(
        agreement_id=meter.agreement_id,
        sequence=meter.sequence + 1,
        previous_hash=meter.head,
        started_at_ms=meter.since_ms,
        ended_at_ms=ended_ms,
        # The wall clock may have been set back: a report never claims more than the span it names.
        running_ms=min(meter.running_ms, ended_ms - meter.since_ms),
        cpu_ms=meter.cpu_ms,
        egress_bytes=meter.egress_bytes,
        final=final,
        hash="",
        signature="",
    )
    message = typed_data.usage(draft, chain_id=chain_id)
    report = replace(draft, hash=typed_data.digest(message), signature=typed_data.sign(message, key))
    after = replace(
        meter,
        since_ms=ended_ms,
        sequence=report.sequence,
        head=report.hash,
        cost_glm=meter.cost_glm + cost_glm(report, meter.price),
        closed=final,
        running_ms=0,
        cpu_ms=0,
        egress_bytes=0,
    )
    return report, after


def _rate_glm(price: Price, ran_ms: int, cpu_ms: int, egress_bytes: int) -> Decimal:
    return price.cost_glm(
        duration_s=Decimal(ran_ms) / 1000,
        cpu_s=Decimal(cpu_ms) / 1000,
        egress_bytes=egress_bytes,
        first=False,
    )


def cost_glm(report: Usage, price: Price) -> Decimal:
    return price.cost_glm(
        duration_s=Decimal(report.running_ms) / 1000,
        cpu_s=Decimal(report.cpu_ms) / 1000,
        egress_bytes=report.egress_bytes,
        first=report.sequence == 1 and report.running_ms > 0,
    )


def claim_glm(
    *,
    own_glm: Decimal,
    ack: UsageAck,
    tolerance_percent: Decimal,
    waited_s: float,
    unheard_glm: Decimal = Decimal(0),
) -> Decimal | None:
    """What to ask in all for the usage that `ack` covers; None while the Queen has not rated it yet.

    The Queen bills the least of three measurements and hears a node a little less long than it runs, so
    milliseconds of difference are normal: within the owner's tolerance the Bee asks what was rated. So it
    does where what is missing ran without a link (`unheard_glm`), once no more rating is to be expected.
    Beyond that the Bee asks its own figure, and the difference is a dispute that people see.
    """
    if ack.rated_glm >= own_glm:
        return own_glm
    taken = 1 - tolerance_percent / 100
    if ack.rated_glm >= own_glm * taken:
        return ack.rated_glm
    if not ack.closed and waited_s < PATIENCE_S:
        return None
    return ack.rated_glm if ack.rated_glm >= (own_glm - unheard_glm) * taken else own_glm


def write_note(
    *,
    last: DebitNote | None,
    ack: UsageAck,
    usage_hash: str,
    amount_glm: Decimal,
    key: Signer,
    chain_id: int,
) -> DebitNote | None:
    """The next debit note; None when it would say nothing new. That of a closed agreement is the invoice."""
    if last and (
        last.final or (last.usage_hash == usage_hash and last.amount_glm == amount_glm and not ack.closed)
    ):
        return None
    draft = DebitNote(
        agreement_id=ack.agreement_id,
        sequence=(last.sequence if last else 0) + 1,
        usage_hash=usage_hash,
        amount_glm=amount_glm,
        final=ack.closed,
        signature="",
    )
    return replace(draft, signature=typed_data.sign(typed_data.debit_note(draft, chain_id=chain_id), key))
