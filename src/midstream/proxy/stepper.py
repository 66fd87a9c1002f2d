"""Stepped coroutines: prose that waits, without tasks.

An exchange and a connection are coroutines that we step ourselves. While nothing has to wait they run inside the call that
brought the bytes: no task, no future, no turn of the loop. What they wait for is a `Signal`; whoever has the value sets
it, and the coroutine goes on inside that call. Nothing here knows asyncio, so tests step the same coroutines by hand.

A step is never entered twice: what happens to it while it runs (a signal, an error thrown in) is acted on when it next waits.
"""

from collections.abc import Callable, Coroutine, Generator
from typing import Generic, Protocol, TypeAlias, TypeVar

T = TypeVar("T")


class Waitable(Protocol):
    """What a stepped coroutine may yield: it lets one step go on when something is there."""

    def park(self, step: "Step") -> bool:
        """Resume `step` later; False if there is nothing to wait for any more."""


Stepped: TypeAlias = Coroutine[Waitable, None, None]
"""A coroutine that waits for waitables only."""


class Signal(Generic[T]):
    """A value that one stepped coroutine waits for; set once."""

    __slots__ = ("_step", "_value", "is_set")

    def __init__(self) -> None:
        self.is_set = False
        self._step: Step | None = None

    def set(self, value: T) -> None:
        """Give the value and let the waiting coroutine go on, inside this call. Later values are ignored."""
        if self.is_set:
            return
        self.is_set = True
        self._value = value
        step, self._step = self._step, None
        if step is not None:
            step.resume()

    def park(self, step: "Step") -> bool:
        if self.is_set:
            return False
        self._step = step
        return True

    def __await__(self) -> Generator[Waitable, None, T]:
        while not self.is_set:
            yield self
        return self._value


class Step:
    """Runs one coroutine to its end, from wait to wait."""

    __slots__ = ("_coroutine", "_error", "_is_running", "_on_done", "is_done")

    def __init__(self, coroutine: Stepped, on_done: Callable[[BaseException | None], None] | None = None) -> None:
        self._coroutine = coroutine
        self._on_done = on_done
        self._error: BaseException | None = None
        self._is_running = False
        self.is_done = False

    def start(self) -> "Step":
        """Run up to the first wait."""
        self.resume()
        return self

    def throw(self, error: BaseException) -> None:
        """Raise `error` where the coroutine waits: now, or at its next wait if it is running."""
        if self.is_done:
            return
        self._error = error
        self.resume()

    def resume(self) -> None:
        """Run up to the next wait that is not over yet."""
        if self._is_running or self.is_done:
            return
        self._is_running = True
        try:
            while True:
                if self._error is None:
                    waitable = self._coroutine.send(None)
                else:
                    waitable = self._coroutine.throw(self._take_error())
                if self._error is None and waitable.park(self):  # else it was thrown in meanwhile
                    return
        except StopIteration:
            self._finish(None)
        except BaseException as error:  # noqa: BLE001 - the owner gets whatever ended the coroutine
            self._finish(error)
        finally:
            self._is_running = False

    def _take_error(self) -> BaseException:
        error, self._error = self._error, None
        assert error is not None
        return error

    def _finish(self, error: BaseException | None) -> None:
        self.is_done = True
        on_done, self._on_done = self._on_done, None  # which is mostly a method of the owner: no cycle is left behind
        if on_done is not None:
            on_done(error)
        elif error is not None:
            raise error
