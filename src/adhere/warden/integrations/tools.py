"""Plain Python functions as tools that pass through the warden.

    @guarded(warden, preview=what_would_change)
    def send_email(to: str, body: str) -> str: ...

    with speaking("user"):
        send_email("a@example.org", "hello")

Rules
- The function runs only on a decision that allows, with the arguments that the decision names (a rule may have changed
  them); otherwise `Denied` is raised, and the decision is in it.
- Its outcome is reported: done, or unknown where it raised (it may have changed something before it did).
- Its arguments are what it would be called with, defaults included, by name. A `Labelled` argument brings its source
  and is handed over as its bare value.
- The sources of an act are those of its labelled arguments and of the nearest `speaking`; with none of both it is
  external.
- A coroutine function stays one; the warden is asked in a thread, because it waits for the disk.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, cast

from adhere.warden.acts.acts import Act, Decision, refusal
from adhere.warden.acts.sources import Labelled, Source, source
from adhere.warden.engine.warden import Warden
from adhere.warden.orders.approvals import Previewer

F = TypeVar("F", bound=Callable[..., Any])
_speaking: ContextVar[tuple[Source, ...]] = ContextVar("adhere_sources", default=())


class Denied(Exception):
    """The warden did not let the act through. `decision` says why, and names the request a quorum can sign."""

    def __init__(self, decision: Decision) -> None:
        super().__init__(refusal(decision))
        self.decision = decision


@contextmanager
def speaking(*sources: Source | str) -> Iterator[None]:
    """Within this, acts come from `sources` (and from whatever an outer `speaking` names)."""
    token = _speaking.set((*_speaking.get(), *(source(name) for name in sources)))
    try:
        yield
    finally:
        _speaking.reset(token)


class _Wrapped:
    """A function as a tool called `name`: its calls as acts, and allowed acts as its calls."""

    def __init__(self, function: Callable[..., Any], name: str, because: str) -> None:
        self.function, self.name, self.because = function, name, because
        self.signature = inspect.signature(function)
        self.parameters = tuple(self.signature.parameters.values())

    def act(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Act:
        """The act that a call with these arguments proposes."""
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = dict(bound.arguments)
        for parameter in self.parameters:
            if parameter.kind is parameter.VAR_KEYWORD:
                given |= given.pop(parameter.name, {})
        labels = [value.source for value in given.values() if isinstance(value, Labelled)]
        bare = {key: value.value if isinstance(value, Labelled) else value for key, value in given.items()}
        return Act(self.name, bare, self.because, (*_speaking.get(), *labels))

    def perform(self, decision: Decision) -> Any:
        """Call the function with the arguments that the decision names.

        Raises:
            Denied: the decision does not allow it.
        """
        act = decision.act
        if not decision.allowed or act is None:
            raise Denied(decision)
        positional: list[Any] = []
        named = dict(act.arguments)
        for parameter in self.parameters:
            if parameter.kind is parameter.POSITIONAL_ONLY and parameter.name in named:
                positional.append(named.pop(parameter.name))
            elif parameter.kind is parameter.VAR_POSITIONAL:
                before = [
                    named.pop(other.name)
                    for other in self.parameters
                    if other.kind is other.POSITIONAL_OR_KEYWORD and other.name in named
                ]
                positional += [*before, *named.pop(parameter.name, ())]
        return self.function(*positional, **named)


def _fault(error: BaseException) -> dict[str, str]:
    return {"raised": f"{type(error).__name__}: {error}"[:500]}


def guarded(warden: Warden, *, tool: str = "", because: str = "", preview: Previewer | None = None) -> Callable[[F], F]:
    """Make a function a tool of `warden`, under its own name or `tool`. `preview` is its dry run."""

    def wrap(function: F) -> F:
        wrapped = _Wrapped(function, tool or function.__name__, because)

        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def later(*args: Any, **kwargs: Any) -> Any:
                decision = await asyncio.to_thread(warden.decide, wrapped.act(args, kwargs), preview=preview)
                try:
                    result = await wrapped.perform(decision)
                except Denied:
                    raise
                except BaseException as error:
                    await asyncio.to_thread(warden.finished, decision, "unknown", _fault(error))
                    raise
                await asyncio.to_thread(warden.finished, decision)
                return result

            return cast(F, later)

        @functools.wraps(function)
        def now(*args: Any, **kwargs: Any) -> Any:
            decision = warden.decide(wrapped.act(args, kwargs), preview=preview)
            try:
                result = wrapped.perform(decision)
            except Denied:
                raise
            except BaseException as error:
                warden.finished(decision, "unknown", _fault(error))
                raise
            warden.finished(decision)
            return result

        return cast(F, now)

    return wrap
