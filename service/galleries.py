"""The galleries of a server, by name: one is the default, and each can be replaced while it is searched."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Self

from service.engine import Engine, Place
from service.errors import UnknownGalleryError
from service.leases import Current
from service.settings import Settings
from service.swap import Outcome, Swap, open_beside, report
from service.workers import Workers


class Served:
    """One gallery of the server: what answers now, and what came of the tries to replace it.

    Args:
        engine: the first that answers.
        settings: of the server.
    """

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.place = engine.place
        self.current = Current(engine, self._retire)
        self.settings = settings
        self.last_swap: Swap | None = None
        self.swaps: Counter[Outcome] = Counter()
        self._swapping = asyncio.Lock()

    @property
    def engine(self) -> Engine:
        """What answers the next query."""
        return self.current.value

    async def reload(self) -> Swap:
        """Serve what lies in the folder now, or go on with what is served where that is broken."""
        async with self._swapping:
            before, unforeseen = self.engine.fingerprint, None
            try:
                engine = await open_beside(self.engine, self.settings)
            except Exception as error:
                swap, unforeseen = Swap.refused(before, error), error
            else:
                swap = Swap.switched(before, engine.fingerprint)
                self.current.replace(engine)
            self.last_swap = swap
            self.swaps[swap.outcome] += 1
            report(self.place.name, swap, unforeseen)
            return swap

    def _retire(self, replaced: Engine) -> None:
        """Close what nobody needs any more; what answers now may be changed from then on, if they are of one folder."""
        replaced.workers.retire(replaced.close)
        replaced.workers.retire(self.engine.holding.take)


class Galleries:
    """All galleries of a server; its methods belong to one event loop, its properties to any thread.

    Args:
        served: by name, the default first.
        workers: what they share; closed with them.
    """

    def __init__(self, served: Mapping[str, Served], workers: Workers) -> None:
        self.served = served
        self.workers = workers
        self._reloads: set[asyncio.Task[Swap]] = set()

    @classmethod
    def open(cls, settings: Settings) -> Self:
        """Open all galleries of the settings.

        Raises:
            ArtifactError: a model or a gallery is missing, damaged, or they do not belong together.
            ConfigError: the runtime asked for cannot be used here.
        """
        with ExitStack() as undo:
            workers = Workers(settings)
            undo.callback(workers.close)
            served = {}
            for place in places(settings):
                engine = Engine.open(place, workers, settings)
                undo.callback(engine.close)
                served[place.name] = Served(engine, settings)
            undo.pop_all()
        return cls(served, workers)

    @property
    def default(self) -> Served:
        """The one that answers requests which name none."""
        return next(iter(self.served.values()))

    def find(self, name: str | None) -> Served:
        """The gallery of a name, or the default.

        Raises:
            UnknownGalleryError: there is none of this name.
        """
        if name is None:
            return self.default
        if name not in self.served:
            raise UnknownGalleryError(
                f"There is no gallery {name!r} here; those there are: {', '.join(map(repr, self.served))}."
            )
        return self.served[name]

    def lease(self, name: str | None) -> AbstractContextManager[Engine]:
        """What answers for a gallery, which is not closed before the block ends; raises `UnknownGalleryError`."""
        return self.find(name).current.lease()

    async def reload(self, served: Served) -> Swap:
        """Swap a gallery; goes on to its end though the caller is cancelled."""
        task = asyncio.create_task(served.reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)
        return await asyncio.shield(task)

    async def reload_all(self) -> None:
        """Swap all galleries, one after the other."""
        for served in self.served.values():
            await self.reload(served)

    async def warm_up(self) -> None:
        """Let each answer once."""
        for served in self.served.values():
            await served.engine.warm_up()
            served.engine.compact_if_due(served.settings.compaction)

    async def close(self) -> None:
        """Finish what has begun, and end."""
        await asyncio.gather(*self._reloads, return_exceptions=True)
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        for served in self.served.values():
            served.engine.close()
        self.workers.close()


def places(settings: Settings) -> list[Place]:
    """Where the galleries lie, the default first."""
    others = [Place(name, path, None, f"/galleries/{name}") for name, path in settings.galleries.items()]
    return [Place(settings.gallery_name, settings.gallery, settings.model), *others]
