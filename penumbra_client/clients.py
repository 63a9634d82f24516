"""`Client` and `AsyncClient`: the same methods over two ways of waiting."""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import replace
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

import httpx2

from penumbra_client import operations
from penumbra_client.errors import UnreachableError
from penumbra_client.exchange import Conversation, Options, Outcome, Pause, Step, ask, wait_until_ready
from penumbra_client.messages import Call, Reply, Request, Upload
from penumbra_client.retries import Retries

P = ParamSpec("P")
T = TypeVar("T")


class _Method(Generic[P, T]):
    """A conversation as a method: of `Client` it returns the answer, of `AsyncClient` an awaitable of it."""

    def __init__(self, begin: Callable[Concatenate[Options, P], Conversation[T]], shown: Callable[..., Any]) -> None:
        self._begin = begin
        self.__doc__ = shown.__doc__
        # Where `help` and `inspect.signature` look.
        self.__wrapped__ = shown

    @overload
    def __get__(self, client: Client, owner: object = None) -> Callable[P, T]: ...
    @overload
    def __get__(self, client: AsyncClient, owner: object = None) -> Callable[P, Awaitable[T]]: ...
    @overload
    def __get__(self, client: None, owner: object = None) -> Self: ...
    def __get__(self, client: _Asking | None, owner: object = None) -> Any:
        if client is None:
            return self

        @wraps(self.__wrapped__)
        def method(*arguments: P.args, **named: P.kwargs) -> Any:
            return client._converse(self._begin(client._options, *arguments, **named))

        return method


def _asks(operation: Callable[P, Call[T]]) -> _Method[P, T]:
    """The method that asks what a function of `operations` describes."""

    def begin(options: Options, /, *arguments: P.args, **named: P.kwargs) -> Conversation[T]:
        return ask(operation(*arguments, **named), options)

    return _Method(begin, operation)


class _Asking(ABC):
    """What both clients can be asked, and told."""

    _options: Options

    search_text = _asks(operations.search_text)
    search_image = _asks(operations.search_image)
    uncertainty_of_text = _asks(operations.uncertainty_of_text)
    uncertainty_of_image = _asks(operations.uncertainty_of_image)
    uncertainty_of_item = _asks(operations.uncertainty_of_item)
    uncertainty_of_words = _asks(operations.uncertainty_of_words)
    by_uncertainty = _asks(operations.by_uncertainty)
    sigma_histogram = _asks(operations.sigma_histogram)
    oddities = _asks(operations.oddities)
    attention_of_text = _asks(operations.attention_of_text)
    attention_of_image = _asks(operations.attention_of_image)
    attention_of_item = _asks(operations.attention_of_item)
    item = _asks(operations.item)
    picture = _asks(operations.picture)
    add_captions = _asks(operations.add_captions)
    add_image = _asks(operations.add_image)
    replace_caption = _asks(operations.replace_caption)
    replace_image = _asks(operations.replace_image)
    remove = _asks(operations.remove)
    reload = _asks(operations.reload)
    info = _asks(operations.info)
    ready = _asks(operations.ready)
    wait_until_ready = _Method(wait_until_ready, wait_until_ready)

    @abstractmethod
    def _converse(self, conversation: Conversation[Any]) -> Any:
        """Send and wait as a conversation wants it, to its end."""

    def for_gallery(self, name: str | None) -> Self:
        """This client, asking another of the server's galleries; None is the one that answers by default."""
        return self._with(replace(self._options, gallery=name))

    def within(self, seconds: float | None) -> Self:
        """This client, with so many seconds for the server to answer in; then it gives up and says so."""
        return self._with(replace(self._options, deadline=seconds))

    def _with(self, options: Options) -> Self:
        # A copy shares the connections.
        other = copy(self)
        other._options = options
        return other


class Client(_Asking):
    """Asks one server; closed by `close()` or at the end of a `with` block.

    Args:
        url: the server's address, as http://127.0.0.1:8000.
        key: an API key, for a server that wants one.
        gallery: the name of one of its galleries; without it the one that answers by default.
        retries: when a busy server is asked again; by default four times, within half a minute.
        timeout: seconds that a connection, or silence on it, may take.
        transport: what httpx2 is to send by, in place of the network.

    Raises, whatever is asked:
        ClientError: there is no answer; `penumbra_client.errors` has the tree.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        gallery: str | None = None,
        retries: Retries | None = None,
        timeout: float = 60,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        self._options = Options(key, gallery, retries=retries or Retries())
        self._http = httpx2.Client(base_url=_address(url), timeout=timeout, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _converse(self, conversation: Conversation[T]) -> T:
        outcome: Outcome = None
        while True:
            try:
                step = conversation.send(outcome)
            except StopIteration as end:
                return cast(T, end.value)
            outcome = self._take(step)

    def _take(self, step: Step) -> Outcome:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        try:
            return _reply(self._http.request(**_as_httpx(step)))
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            return _unreachable(error, self._http.base_url)


class AsyncClient(_Asking):
    """`Client` for asyncio: its methods are awaited; closed by `aclose()` or at the end of an `async with` block.

    Args:
        url: the server's address, as http://127.0.0.1:8000.
        key: an API key, for a server that wants one.
        gallery: the name of one of its galleries; without it the one that answers by default.
        retries: when a busy server is asked again; by default four times, within half a minute.
        timeout: seconds that a connection, or silence on it, may take.
        transport: what httpx2 is to send by, in place of the network.

    Raises, whatever is asked:
        ClientError: there is no answer; `penumbra_client.errors` has the tree.
    """

    def __init__(
        self,
        url: str,
        *,
        key: str | None = None,
        gallery: str | None = None,
        retries: Retries | None = None,
        timeout: float = 60,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._options = Options(key, gallery, retries=retries or Retries())
        self._http = httpx2.AsyncClient(base_url=_address(url), timeout=timeout, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def _converse(self, conversation: Conversation[T]) -> T:
        outcome: Outcome = None
        while True:
            try:
                step = conversation.send(outcome)
            except StopIteration as end:
                return cast(T, end.value)
            outcome = await self._take(step)

    async def _take(self, step: Step) -> Outcome:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        try:
            return _reply(await self._http.request(**_as_httpx(step)))
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            return _unreachable(error, self._http.base_url)


def _address(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise UnreachableError(f"{url!r} is no address of a server: write it as http://127.0.0.1:8000.", sent=False)
    return url


def _as_httpx(request: Request) -> dict[str, Any]:
    """A request as httpx2's arguments; every field of a form is a part, so that it is always multipart."""
    parts = [
        (name, (value.name, value.content) if isinstance(value, Upload) else (None, value))
        for name, value in request.form
    ]
    return {
        "method": request.method,
        "url": request.path,
        "params": dict(request.parameters) or None,
        "json": request.json,
        "files": parts or None,
        "headers": dict(request.headers),
    }


def _reply(response: httpx2.Response) -> Reply:
    return Reply(
        response.status_code, {name.lower(): value for name, value in response.headers.items()}, response.content
    )


def _unreachable(error: Exception, url: httpx2.URL) -> UnreachableError:
    never_sent = isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout)
    reason = str(error) or type(error).__name__
    return UnreachableError(f"{url} does not answer ({reason}): is a server running there?", sent=not never_sent)
