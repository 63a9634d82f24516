"""SIGHUP: the customary way to tell a server that what it serves has changed."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def on_hangup(react: Callable[[], Coroutine[Any, Any, None]]) -> Iterator[None]:
    """Run a coroutine for every SIGHUP, until the block ends.

    Nothing where signals cannot be had: outside of the main thread, or on a system without this one.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "SIGHUP"):
        yield
        return
    loop, running = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    def start() -> None:
        task = loop.create_task(react())
        running.add(task)
        task.add_done_callback(running.discard)

    before = signal.getsignal(signal.SIGHUP)
    loop.add_signal_handler(signal.SIGHUP, start)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        # The loop leaves the default, which ends a server that nohup started.
        signal.signal(signal.SIGHUP, before)
