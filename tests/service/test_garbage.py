"""What the collector of garbage looks through while requests are answered."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from weakref import ref

import pytest
import uvicorn
from fastapi import FastAPI

from service import app
from service.garbage import NEW_OBJECTS, settle
from service.settings import Settings


class Link:
    """Holds another one."""

    other: Link


@pytest.fixture
def settled() -> Iterator[Link]:
    """Something that was there before; afterwards all is as it was."""
    thresholds, before = gc.get_threshold(), Link()
    settle()
    yield before
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_a_server_settles_when_all_is_loaded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the galleries have been opened, and before anybody is answered."""
    # What a server sets for its process is not for the tests that come after this one.
    monkeypatch.setattr(uvicorn.Config, "configure_logging", lambda _: None)
    monkeypatch.setattr(sys, "setswitchinterval", lambda _: None)
    done: list[str] = []
    create = app.create_app

    def created(given: Settings) -> FastAPI:
        made = create(given)
        done.append("loaded")
        return made

    monkeypatch.setattr(app, "create_app", created)
    monkeypatch.setattr(app, "settle", lambda: done.append("settled"))
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_: done.append("answers"))
    app.serve(settings.model_copy(update={"port": 0}))
    assert done == ["loaded", "settled", "answers"]


def test_what_was_there_is_left_alone(settled: Link) -> None:
    """A collection does not look at it, nor as often as it would; it goes all the same when nobody holds it."""
    assert all(each is not settled for each in gc.get_objects())
    assert gc.get_threshold()[0] == NEW_OBJECTS


def test_new_garbage_is_found(settled: Link) -> None:
    """What comes afterwards is looked through as ever."""
    one, two = Link(), Link()
    one.other, two.other = two, one
    there = ref(one)
    del one, two
    assert there() is not None
    gc.collect()
    assert there() is None
