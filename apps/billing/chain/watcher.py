"""The chain watcher: reads new blocks, notices reorganisations, and lets what it saw grow from seen to final.

Where it stands is the newest `ChainBlock`. Blocks and their transfers are stored in one transaction, so
it can be killed anywhere and goes on; each transfer is claimed once by (chain, transaction, log index).
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from apps.billing.chain.answers import Block, TokenTransfer
from apps.billing.chain.claiming import claim
from apps.billing.chain.client import Chain, ChainRefused, ChainUnreachable, chain
from apps.billing.chain.depth import deepen, revert_after
from apps.billing.chain.models import ChainBlock
from apps.billing.chain.noting import examined
from apps.billing.chain.passing import passed_on
from apps.billing.chain.rpc import ChainBehind
from apps.billing.chain.treasuries import remember_treasury, treasuries
from apps.billing.treasury.gas import post_gas
from apps.billing.treasury.sending import resend_due
from apps.billing.treasury.settlement import dispatch_ready
from apps.locks import only_one

log = logging.getLogger("hive.chain")

BATCH_BLOCKS = 500
BATCHES_A_TICK = 20

_silent: set[str] = set()
"""Nodes that did not answer when last asked: one line in the log when that begins, one when it ends."""


def watch_chain() -> int:
    """Read what is new, act on what is deep enough, send again what no block has. Returns blocks read.

    Only one worker does so at a time. A node that does not answer costs a line in the log and no more: the
    next tick goes on where this one stopped.
    """
    if not settings.HIVE_GLM_TOKEN:
        return 0
    try:
        with only_one("billing.watch_chain") as mine:
            read = _look(chain()) if mine else 0
    except (ChainUnreachable, ChainRefused) as trouble:
        _note_trouble(trouble)
        return 0
    _note_answer()
    return read


def _look(chain: Chain) -> int:
    remember_treasury()
    with examined(chain.nodes, depth=settings.HIVE_CONFIRMATIONS):
        return _watch(chain)


def _watch(chain: Chain) -> int:
    height = chain.height()
    _rewind(chain, height)
    read = 0
    for first, last in batches(_read_until() + 1, height):
        if not _read(chain, first, last, height):
            break  # the chain changed while it was read: the next tick looks again
        read += last - first + 1
    deepen(height=min(_read_until(), height))
    resend_due(chain)
    dispatch_ready(chain)
    post_gas(chain)
    return read


def batches(first: int, last: int) -> Iterator[tuple[int, int]]:
    """Bounded ranges, both ends included; at most `BATCHES_A_TICK` of them."""
    starts = range(first, last + 1, BATCH_BLOCKS)
    return ((start, min(start + BATCH_BLOCKS - 1, last)) for start in starts[:BATCHES_A_TICK])


def remembered() -> int:
    """How many blocks' hashes are kept to notice a reorganisation."""
    return 2 * settings.HIVE_FINALITY


def _stored() -> QuerySet[ChainBlock]:
    return ChainBlock.objects.filter(chain_id=settings.HIVE_CHAIN_ID).order_by("-number")


def _read_until() -> int:
    newest = _stored().first()
    return newest.number if newest else settings.HIVE_CHAIN_START_BLOCK - 1


# -- forwards ---------------------------------------------------------------------------------------------


def _read(chain: Chain, first: int, last: int, height: int) -> bool:
    """Read a range and store it; False when it does not hang together with itself or with what is stored."""
    blocks = chain.blocks(max(first, min(height - remembered(), last)), last)
    # Transfers are asked for after the hashes: what changes in between makes stored hashes wrong, which the
    # next tick sees. The other way round, a transfer of the new blocks could be missed for good.
    transfers = passed_on(chain, _transfers(chain, first, last))
    if transfers is None or not _hang_together(blocks, transfers):
        return False
    chain.identify()
    _store(blocks, transfers, forget_before=height - remembered())
    return True


def _transfers(chain: Chain, first: int, last: int) -> list[TokenTransfer]:
    """Into and out of every wallet that the treasury ever was, in the order of the chain."""
    found = [each for wallet in treasuries() for each in chain.transfers_of(wallet, first=first, last=last)]
    unique = {(each.block_number, each.log_index): each for each in found}
    return [unique[place] for place in sorted(unique)]


def _hang_together(blocks: Sequence[Block], transfers: list[TokenTransfer]) -> bool:
    hashes = dict(_stored().filter(number=blocks[0].number - 1).values_list("number", "hash"))
    for block in blocks:
        if hashes.get(block.number - 1, block.parent_hash) != block.parent_hash:
            return False
        hashes[block.number] = block.hash
    return all(hashes.get(each.block_number, each.block_hash) == each.block_hash for each in transfers)


@transaction.atomic
def _store(blocks: Sequence[Block], transfers: list[TokenTransfer], *, forget_before: int) -> None:
    _stored().filter(number__lt=min(forget_before, blocks[-1].number)).delete()
    ChainBlock.objects.bulk_create(
        ChainBlock(chain_id=settings.HIVE_CHAIN_ID, number=block.number, hash=block.hash) for block in blocks
    )
    claim(transfers)


# -- backwards --------------------------------------------------------------------------------------------


def _rewind(chain: Chain, height: int) -> None:
    """Go back to the last block that is still part of the chain, undoing what the lost ones caused.

    Lost is a block in whose place there is another. A chain that is lower than it was says nothing about the
    blocks above: whoever answers now may only be behind.
    """
    comparable = _stored().filter(number__lte=height)
    newest = comparable.first()
    if newest is None or _still_there(chain, newest):
        return
    ancestor = next((block.number for block in comparable if _still_there(chain, block)), None)
    chain.identify()
    if ancestor is None:
        log.error("the chain was reorganised deeper than %d blocks: all of it is read again", remembered())
        ancestor = settings.HIVE_CHAIN_START_BLOCK - 1
    log.warning("the chain was reorganised: blocks %d to %d are read again", ancestor + 1, _read_until())
    with transaction.atomic():
        revert_after(ancestor)
        _stored().filter(number__gt=ancestor).delete()


def _still_there(chain: Chain, stored: ChainBlock) -> bool:
    """Raises ChainBehind when nobody has a block so high."""
    block = chain.block(stored.number)
    if block is None:
        raise ChainBehind(f"nobody has block {stored.number} now, which was read before")
    return block.hash == stored.hash


# -- trouble ----------------------------------------------------------------------------------------------


def _note_trouble(trouble: Exception) -> None:
    if settings.HIVE_RPC_URL not in _silent:
        log.warning("the chain can't be read, trying again at each tick: %s", trouble)
    _silent.add(settings.HIVE_RPC_URL)


def _note_answer() -> None:
    if settings.HIVE_RPC_URL in _silent:
        log.info("the chain answers again")
    _silent.discard(settings.HIVE_RPC_URL)
