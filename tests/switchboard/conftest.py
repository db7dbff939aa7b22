from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from eth_account.signers.local import LocalAccount

from tests.switchboard.portal import Bee, dialled, serving


@pytest.fixture
def portal(transactional_db: None) -> Iterator[str]:
    """`ws://host:port` of a web server that serves for this test."""
    with serving() as url:
        yield url


@pytest.fixture
def dial(portal: str) -> Iterator[Callable[[LocalAccount], Bee]]:
    """Opens links, and closes them at the end."""
    with ExitStack() as links:
        yield lambda key: links.enter_context(dialled(portal, key))
