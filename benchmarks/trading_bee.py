"""A Bee that bargains and signs as the agent does, and runs nothing: a thousand fit into one process."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from websockets.asyncio.client import ClientConnection

from agent import typed_data
from agent.conceding import asked_in
from agent.config import scaled
from agent.pricing import why_below
from agent.protocol import (
    AgreementToSign,
    Answer,
    Answers,
    FromQueen,
    Price,
    Proposal,
    Verdict,
    Wanted,
    encode,
)
from benchmarks.null_bee import NullBee


class TradingBee(NullBee):
    def __init__(self, url: str, token: str, *, price: Price, lowest_percent: Decimal) -> None:
        super().__init__(url, token)
        self.price, self._lowest = price, scaled(price, lowest_percent / 100)
        self._link: ClientConnection | None = None
        self._saying: set[asyncio.Task[None]] = set()

    async def _converse(self, link: ClientConnection) -> None:
        self._link = link
        await super()._converse(link)

    def _take(self, message: FromQueen) -> None:
        super()._take(message)
        if not isinstance(message, Wanted):
            return
        proposals, to_sign = map(self._answer, message.proposals), map(self._sign, message.agreements)
        if answers := [*proposals, *to_sign]:
            saying = asyncio.create_task(self._say(Answers(answers=answers)))
            self._saying.add(saying)
            saying.add_done_callback(self._saying.discard)

    async def _say(self, answers: Answers) -> None:
        assert self._link is not None  # it has just spoken
        await self._link.send(encode(answers))

    def _answer(self, asked: Proposal) -> Answer:
        """By the rule of `agent/negotiate.py`, price alone."""
        least = asked_in(asked.round, asked=self.price, lowest=self._lowest)
        too_low = why_below(asked.terms.price, least, asked.terms.cpu_threads)
        verdict = Verdict.COUNTERED if too_low else Verdict.ACCEPTED
        return Answer(
            verdict=verdict,
            proposal_id=asked.proposal_id,
            counter_price=least if too_low else None,
            reason=too_low,
        )

    def _sign(self, asked: AgreementToSign) -> Answer:
        message = typed_data.agreement(asked.terms, chain_id=self._chain_id)
        return Answer(
            verdict=Verdict.ACCEPTED,
            agreement_id=asked.terms.agreement_id,
            signature=typed_data.sign(message, self.key),
        )
