"""The messages that Queen and Bee speak: JSON text frames over the one WebSocket the Bee opens.

The protocol is level-triggered. The Queen sends the complete wanted set (`Wanted`), the Bee the complete
observed set (`Observed`); everything that must not be lost (usage, debit notes, answers) is sent again until
the next `Wanted` acknowledges it. A message lost, repeated or late therefore changes nothing but time.

Units stand last in a name. Money is a decimal number of GLM with at most 18 places, written as a string.
Instants are Unix milliseconds; spans of time that govern behaviour (leases, intervals) are seconds *from the
moment of sending*, so that a wrong clock on either side can't stretch or cut them.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from agent.price import Price as Price  # the messages' own words for money: imported from here
from agent.price import percent_of as percent_of
from agent.price import round_glm as round_glm

PROTOCOL = 1
MAX_FRAME_BYTES = 1 << 20
RUNTIMES = ("docker", "process", "qemu", "wasm")
"""All that there are."""
MAX_OFFERS = 16
"""In a frame: one for each runtime, and room for more runtimes."""
ROUNDS = 5
"""Bids in one bargain; the last says the most, and its answer the least. See `agent/conceding.py`."""

Count = Annotated[int, Meta(ge=0, lt=1 << 31)]
Millis = Annotated[int, Meta(ge=0, lt=1 << 62)]
_CENTURY_S = 100 * 365 * 24 * 3600
Seconds = Annotated[float, Meta(ge=0, le=_CENTURY_S)]
Percent = Annotated[float, Meta(ge=0, le=100)]
Bytes = Annotated[int, Meta(ge=0, lt=1 << 62)]
Rate = Annotated[float, Meta(ge=0, lt=1e15)]
"""What a message may bear: whatever is read can be stored and reckoned with."""
Id = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\Z")]
"""What may name a folder or a container: nothing that leads elsewhere."""
Word = Annotated[str, Meta(pattern=r"\A[^\x00]*\Z")]
"""Without NUL, which ends a word wherever the kernel or bubblewrap reads one: the rest would be another."""
LONGEST_GRACE_S = 600
"""Nobody gets more time to end, or what ignores SIGTERM would outlive its lease and the owner's hours."""


class Message(msgspec.Struct, frozen=True, kw_only=True, tag=True, omit_defaults=True):
    """Base of what travels as a frame of its own; `type` on the wire is the class name."""


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of what travels inside a message."""


# -- who is there -----------------------------------------------------------------------------------------


class Challenge(Message):
    """Queen: the first frame of a connection. The Bee signs `nonce` (32 bytes, hex) as EIP-712 `Login`."""

    nonce: str
    queen: str
    """Ethereum address whose signature the Bee will see on agreements."""
    chain_id: int
    protocol: int = PROTOCOL


class NodeInfo(Part):
    """What the Bee says of itself; `properties` are in Golem's names (`golem.inf.cpu.threads`, ...)."""

    name: str
    agent_version: str
    runtimes: list[str]
    ssh_host_key: str
    """OpenSSH public key line of the Bee's console server; the Queen pins it."""
    properties: dict[str, Any] = {}


class Hello(Message):
    """Bee: the answer to the challenge. `enrolment_token` only until the first `Welcome`."""

    node_id: str
    signature: str
    info: NodeInfo
    enrolment_token: str | None = None
    protocol: int = PROTOCOL


class Welcome(Message):
    """Queen: the key is proved and the node known; nothing runs until the node is approved."""

    approved: bool
    heartbeat_s: float
    metering_interval_s: float
    now_ms: Millis = 0
    """The Queen's clock, by which usage and agreements are dated: a Bee whose own is wrong keeps to it."""


class RefusalCode(StrEnum):
    BAD_SIGNATURE = "bad_signature"
    UNKNOWN_NODE = "unknown_node"
    BAD_TOKEN = "bad_token"
    BANNED = "banned"
    REPLACED = "replaced"
    PROTOCOL = "protocol"


class Refused(Message):
    """Queen: why the link ends. A `final` refusal is not retried: the owner must act first."""

    code: RefusalCode
    reason: str
    final: bool


# -- what the Bee offers and the Queen asks ---------------------------------------------------------------


class Offer(Part):
    """One runtime of a node for rent, signed by the node as EIP-712 `Offer`."""

    offer_id: str
    runtime: str
    cpu_threads: Decimal
    mem_gib: Decimal
    storage_gib: Decimal
    price: Price
    valid_s: float
    issued_at_ms: int
    signature: str
    gpus: Annotated[int, Meta(ge=0, le=1024)] = 0
    properties: dict[str, Any] = {}


class Offers(Message):
    """Bee: the complete set of its offers; one that is missing is withdrawn."""

    offers: Annotated[list[Offer], Meta(max_length=MAX_OFFERS)]


class Terms(Part):
    """What an agreement is about; both sides sign it as EIP-712 `Agreement`."""

    agreement_id: str
    requestor: str
    provider: str
    offer_id: str
    runtime: str
    image: str
    cpu_threads: Decimal
    mem_gib: Decimal
    price: Price
    valid_from_ms: Millis
    expires_at_ms: Millis
    team: str = ""
    """Short name of the team for which the requestor rents: the owner's rules may name teams."""
    storage_gib: Decimal = Decimal(0)
    """Nought: as much as the owner lets any replica write, of which nothing is kept free for it."""
    gpus: Annotated[int, Meta(ge=0, le=1024)] = 0


class Proposal(Part):
    """A question to the Bee: would you at this price? Answered, not binding."""

    proposal_id: str
    round: Count
    terms: Terms


class AgreementToSign(Part):
    terms: Terms
    requestor_signature: str


class Verdict(StrEnum):
    ACCEPTED = "accepted"
    COUNTERED = "countered"
    REJECTED = "rejected"


class Answer(Part):
    """To a proposal (`proposal_id`) or to an agreement to sign (`agreement_id`, signed when accepted)."""

    verdict: Verdict
    proposal_id: str | None = None
    agreement_id: str | None = None
    signature: str | None = None
    counter_price: Price | None = None
    reason: str = ""


class Answers(Message):
    answers: list[Answer]


# -- what should run, and what does -----------------------------------------------------------------------


class HealthCheck(Part):
    """How the Bee decides that a replica is healthy. `kind` is http (GET `path`), tcp or command."""

    kind: str = "tcp"
    path: str = "/"
    command: list[Word] = []
    interval_s: Annotated[float, Meta(ge=0.01, le=24 * 3600)] = 2.0
    timeout_s: Annotated[float, Meta(ge=0.01, le=24 * 3600)] = 2.0
    retries: Count = 3
    start_period_s: Seconds = 0.0


class ImageSignature(Part):
    """Somebody vouches for an image: `signature` over the bytes of `payload`, both in base64.

    `payload` is cosign's "simple signing" document, which names the image's digest; the signature is ECDSA
    P-256 with SHA-256 (cosign's) or Ed25519. Source: sigstore/cosign, specs/SIGNATURE_SPEC.md.
    """

    payload: Annotated[str, Meta(max_length=8192)]
    signature: Annotated[str, Meta(max_length=1024)]


class Permit(Part):
    """What the application's key allows: the Bee keeps to it as the Queen does. An empty list allows all."""

    providers: Annotated[list[str], Meta(max_length=1024)] = []
    """Node ids."""
    images: Annotated[list[str], Meta(max_length=256)] = []
    """Digests: `sha256:...` or `sha3-256:...`."""
    signers: Annotated[list[str], Meta(max_length=64)] = []
    """Public keys, one of which must have signed the image: as `rules.signers` of bee.toml writes them."""


class Workload(Part):
    """What to run: the part of a Compose service that a Bee needs. `port` is inside the container."""

    image: Word
    runtime: str
    cpu_threads: Decimal
    mem_gib: Decimal
    command: list[Word] | None = None
    entrypoint: list[Word] | None = None
    environment: dict[Word, Word] = {}
    port: Annotated[int, Meta(ge=1, le=65535)] | None = None
    health: HealthCheck | None = None
    stop_grace_s: Annotated[float, Meta(ge=0, le=LONGEST_GRACE_S)] = 10.0
    read_only: bool = False
    """The root file system can't be written to; /tmp can."""
    signatures: Annotated[list[ImageSignature], Meta(max_length=16)] = []
    storage_gib: Decimal = Decimal(0)
    """The most that it may write; nought: what the owner lets any replica write."""
    gpus: Annotated[int, Meta(ge=0, le=1024)] = 0
    permit: Permit | None = None


class Assignment(Part):
    """One generation of one replica, to be run for as long as the lease lasts and no longer."""

    assignment_id: Id
    agreement_id: str
    replica: Word
    """Name shown to people and given to the payload as HIVE_REPLICA: `web-1`."""
    generation: Count
    lease_s: Annotated[float, Meta(ge=-_CENTURY_S, le=_CENTURY_S)]
    """Seconds from sending; the Bee stops the replica when it has run out (fencing); below 0 it has."""
    workload: Workload


class RunState(StrEnum):
    PREPARING = "preparing"
    STARTING = "starting"
    RUNNING = "running"
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"


class ObservedAssignment(Part):
    assignment_id: str
    generation: int
    state: RunState
    reason: str = ""
    endpoint: str = ""
    """`host:port` where the edge reaches the replica; empty until it listens."""
    retry_s: float | None = None
    restarts: int = 0


class UsageAck(Part):
    """The Queen has stored usage up to `sequence` and rated it at `rated_glm` in all."""

    agreement_id: str
    sequence: Count
    rated_glm: Decimal
    closed: bool = False


class NoteAck(Part):
    agreement_id: str
    sequence: Count
    state: str
    reason: str = ""


class Wanted(Message):
    """Queen: everything this node should do now. Sent on connect, on each change and with each heartbeat."""

    revision: int
    heartbeat_s: float
    metering_interval_s: float
    approved: bool
    now_ms: Millis = 0
    """As in `Welcome`."""
    assignments: list[Assignment] = []
    proposals: list[Proposal] = []
    agreements: list[AgreementToSign] = []
    usage_acks: list[UsageAck] = []
    note_acks: list[NoteAck] = []


class Stats(Part):
    """Measured on the Bee; percentages are of the whole machine, rates are since the last heartbeat."""

    cpu_percent: Percent = 0.0
    mem_used_bytes: Bytes = 0
    disk_used_bytes: Bytes = 0
    sent_bytes_s: Rate = 0.0
    received_bytes_s: Rate = 0.0
    running: Count = 0
    temperature_c: Annotated[float, Meta(ge=-273, le=1000)] | None = None
    """Of the hottest sensor; None where there is none."""


class Observed(Message):
    """Bee: the complete set of what it has, and its heartbeat. `revision` is the newest `Wanted` acted on."""

    revision: int
    at_ms: int
    assignments: list[ObservedAssignment]
    stats: Stats = Stats()


# -- benchmarks -------------------------------------------------------------------------------------------

MAX_PROBE_BYTES = 512 * 1024


class Probe(Message):
    """Bee: echo `padding`, so that the way to the Queen can be timed. Rarely: the Queen answers a few."""

    probe_id: Count
    padding: Annotated[str, Meta(max_length=MAX_PROBE_BYTES)] = ""
    echo_bytes: Annotated[int, Meta(ge=0, le=MAX_PROBE_BYTES)] = 0
    """How much padding the echo should have."""


class Echo(Message):
    """Queen: the answer to a `Probe`."""

    probe_id: Count
    padding: str = ""


class Ping(Message):
    """Queen: answer this at once, so that the way to the Bee can be timed. Rarely."""

    ping_id: Millis
    """Nobody can know it before."""


class Pong(Message):
    """Bee: the answer to a `Ping`."""

    ping_id: Millis


class Benchmarks(Message):
    """Bee: what it measured of itself, newest only; a figure that could not be measured is 0."""

    at_ms: Millis
    cpu_single: Rate = 0.0
    """Work of one thread and of all threads, in the units of `agent/benchmark.py`."""
    cpu_all: Rate = 0.0
    mem_gib_s: Rate = 0.0
    disk_write_mib_s: Rate = 0.0
    disk_read_mib_s: Rate = 0.0
    up_mbit_s: Rate = 0.0
    down_mbit_s: Rate = 0.0
    round_trip_ms: Rate = 0.0


# -- metering ---------------------------------------------------------------------------------------------


class Usage(Part):
    """Counters of one metering interval of one agreement, signed by the node as EIP-712 `Usage`.

    Sequences start at 1 and have no gaps; `previous_hash` is the digest of the report before (32 zero bytes
    for the first), so the reports of an agreement form a chain.
    """

    agreement_id: str
    sequence: int
    previous_hash: str
    started_at_ms: int
    ended_at_ms: int
    running_ms: int
    cpu_ms: int
    egress_bytes: int
    final: bool
    hash: str
    signature: str


class UsageReports(Message):
    reports: list[Usage]


class DebitNote(Part):
    """What the node asks for an agreement in all so far, signed as EIP-712 `DebitNote`."""

    agreement_id: str
    sequence: int
    usage_hash: str
    amount_glm: Decimal
    final: bool
    """The last note of an agreement is its invoice."""
    signature: str


class DebitNotes(Message):
    notes: list[DebitNote]


# -- console ----------------------------------------------------------------------------------------------


class OpenStream(Message):
    """Queen: dial a WebSocket at `/bee/stream/<stream_id>/` and serve SSH for this assignment on it."""

    stream_id: str
    assignment_id: str
    generation: int


FromBee = Hello | Offers | Answers | Observed | UsageReports | DebitNotes | Probe | Pong | Benchmarks
FromQueen = Challenge | Welcome | Refused | Wanted | OpenStream | Echo | Ping

M = TypeVar("M")

_encoder = msgspec.json.Encoder()
_from_bee = msgspec.json.Decoder(FromBee)
_from_queen = msgspec.json.Decoder(FromQueen)


class ProtocolError(ValueError):
    """A frame that is no message; its text names the field."""


def encode(message: Message) -> str:
    return _encoder.encode(message).decode()


def decode_from_bee(frame: str | bytes) -> FromBee:
    return _decode(_from_bee, frame)


def decode_from_queen(frame: str | bytes) -> FromQueen:
    return _decode(_from_queen, frame)


def _decode(decoder: msgspec.json.Decoder[M], frame: str | bytes) -> M:
    if len(frame) > MAX_FRAME_BYTES:
        raise ProtocolError(f"frame of {len(frame)} bytes: at most {MAX_FRAME_BYTES} are taken")
    try:
        return decoder.decode(frame)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProtocolError(str(error)) from None
