"""How channels are reached."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import rattler

from ebsif.errors import EbsifError
from ebsif.process import LEAST, in_vain, patience

T = TypeVar("T")

# Solving takes hundreds of requests to a channel with a sharded index; a server may refuse too many at once.
AT_ONCE = 16
_RETRIES = 2


def client() -> rattler.Client:
    """Return what reaches channels, with the proxies and credentials that the user has set up for conda's tools."""
    return rattler.Client.default_client(max_retries=_RETRIES)


async def going_on(work: Awaitable[T], size: Callable[[], int], what: str) -> T:
    """Wait for something from channels as long as it goes on; return its result.

    Parameters
    ----------
    size
        Tells how many bytes have arrived.
    what
        What it is and where it comes from, for the message.

    Raises
    ------
    EbsifError
        When nearly nothing arrives.
    """
    seconds, before, waiting = patience(), size(), asyncio.ensure_future(work)
    while not (await asyncio.wait({waiting}, timeout=seconds))[0]:
        now = size()
        # It is less where a file has made room for another one.
        if abs(now - before) < LEAST:
            waiting.cancel()
            raise EbsifError(f"{what} does not go on: less than {LEAST >> 10} KiB have arrived {in_vain(seconds)}")
        before = now
    return await waiting
