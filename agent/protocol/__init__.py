"""The messages that Queen and Bee speak: JSON text frames over the one WebSocket the Bee opens.

The protocol is level-triggered. The Queen sends the complete wanted set (`Wanted`), the Bee the complete
observed set (`Observed`); everything that must not be lost (usage, debit notes, answers) is sent again until
the next `Wanted` acknowledges it. A message lost, repeated or late therefore changes nothing but time.

Units stand last in a name. Money is a decimal number of GLM with at most 18 places, written as a string.
Instants are Unix milliseconds; spans of time that govern behaviour (leases, intervals) are seconds *from the
moment of sending*, so that a wrong clock on either side can't stretch or cut them.

In the order of their life: `greeting`, `offers`, `negotiation`, `assignments` of a `workload`, `metering`.
Both complete sets are in `heartbeat`; `measuring` and `console` come in between; `frames` writes and reads
them all. Whoever speaks takes the names from here.
"""

from agent.price import Price, percent_of, round_glm
from agent.protocol.assignments import Assignment, ObservedAssignment, RunState
from agent.protocol.base import Bytes, Count, Id, Message, Millis, Part, Percent, Rate, Seconds, Word
from agent.protocol.console import OpenStream
from agent.protocol.frames import (
    MAX_FRAME_BYTES,
    FromBee,
    FromQueen,
    ProtocolError,
    decode_from_bee,
    decode_from_queen,
    encode,
)
from agent.protocol.greeting import PROTOCOL, Challenge, Hello, NodeInfo, RefusalCode, Refused, Welcome
from agent.protocol.heartbeat import Observed, Stats, Wanted
from agent.protocol.measuring import MAX_PROBE_BYTES, Benchmarks, Echo, Ping, Pong, Probe
from agent.protocol.metering import DebitNote, DebitNotes, NoteAck, Usage, UsageAck, UsageReports
from agent.protocol.negotiation import ROUNDS, AgreementToSign, Answer, Answers, Proposal, Terms, Verdict
from agent.protocol.offers import MAX_OFFERS, RUNTIMES, Offer, Offers
from agent.protocol.workload import LONGEST_GRACE_S, HealthCheck, ImageSignature, Permit, Workload

__all__ = [
    "LONGEST_GRACE_S",
    "MAX_FRAME_BYTES",
    "MAX_OFFERS",
    "MAX_PROBE_BYTES",
    "PROTOCOL",
    "ROUNDS",
    "RUNTIMES",
    "AgreementToSign",
    "Answer",
    "Answers",
    "Assignment",
    "Benchmarks",
    "Bytes",
    "Challenge",
    "Count",
    "DebitNote",
    "DebitNotes",
    "Echo",
    "FromBee",
    "FromQueen",
    "HealthCheck",
    "Hello",
    "Id",
    "ImageSignature",
    "Message",
    "Millis",
    "NodeInfo",
    "NoteAck",
    "Observed",
    "ObservedAssignment",
    "Offer",
    "Offers",
    "OpenStream",
    "Part",
    "Percent",
    "Permit",
    "Ping",
    "Pong",
    "Price",
    "Probe",
    "Proposal",
    "ProtocolError",
    "Rate",
    "RefusalCode",
    "Refused",
    "RunState",
    "Seconds",
    "Stats",
    "Terms",
    "Usage",
    "UsageAck",
    "UsageReports",
    "Verdict",
    "Wanted",
    "Welcome",
    "Word",
    "Workload",
    "decode_from_bee",
    "decode_from_queen",
    "encode",
    "percent_of",
    "round_glm",
]
