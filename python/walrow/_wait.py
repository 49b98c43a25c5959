"""Waiting for a descriptor, so that Ctrl-C and other tasks have their turn."""

from __future__ import annotations

import asyncio
import os
import select
import time
import weakref


def kept(owner: object, descriptor: int) -> int:
    """A duplicate that lives as long as its owner: whoever waits for it is not left with another file's number."""
    copy = os.dup(descriptor)
    weakref.finalize(owner, os.close, copy)
    return copy


def deadline_in(timeout: float | None) -> float | None:
    return None if timeout is None else time.monotonic() + timeout


def until_readable(descriptor: int, deadline: float | None) -> None:
    """Raises TimeoutError when the time is over."""
    left = None if deadline is None else max(0.0, deadline - time.monotonic())
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    if not poll.poll(None if left is None else left * 1000):
        raise TimeoutError("nothing arrived in time")


async def readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(descriptor, lambda: ready.done() or ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(descriptor)
