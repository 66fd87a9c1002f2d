"""A request body that goes on as it comes, while the answer may already be on its way."""

from collections.abc import Awaitable, Callable, Sequence

from midstream.errors import UsageError
from midstream.flow import Body, BodyState, Request
from midstream.hooks.table import Handlers
from midstream.proxy.bodies import Rewrite, forward
from midstream.proxy.exchange import unsendable
from midstream.proxy.failure import ClientLeft, Failed, client_failure
from midstream.proxy.session import Session
from midstream.proxy.stepper import Step
from midstream.proxy.streams import Inbox, ServerStream
from midstream.wire.errors import PeerError
from midstream.wire.events import End


class Upload:
    """Forwards one request body in a coroutine of its own."""

    def __init__(
        self,
        session: Session,
        inbox: Inbox,
        request: Request,
        pieces: Sequence[bytes],
        tell: Callable[[Handlers], Awaitable[None]],
        break_off: Callable[[BaseException], None],
    ) -> None:
        """`pieces` were read before it was decided to stream; `tell` calls hooks, `break_off` ends the exchange."""
        self.is_recorded = False
        """The record has all of it, to be sent again from there."""
        self._session = session
        self._settings = session.settings
        self._inbox = inbox
        self._request = request
        self._pieces = pieces
        self._tell = tell
        self._break_off = break_off
        self._step: Step | None = None

    @property
    def is_done(self) -> bool:
        """Nothing of it is under way."""
        return self._step is None or self._step.is_done

    def start(self, server: ServerStream, rewrite: Rewrite | None) -> None:
        """Forward the body to `server` as it comes; `rewrite` gets it first, if given."""
        self._step = Step(self._run(server, rewrite), self._ended)
        self._step.start()

    def stop(self) -> None:
        """Break off what is under way."""
        step, self._step = self._step, None
        if step is not None:
            step.throw(ClientLeft())

    def recall(self) -> bool:
        """Take back what was sent; False if the record does not hold all of it, as it came.

        Trailers may have been secret, which no record knows.
        """
        request = self._request
        kept = request.body
        if type(kept) is not Body or kept.state is not BodyState.MEMORY or request.trailers is not None:
            return False
        if callable(request.stream):
            return False
        if request.timestamp_end is not None:
            self.is_recorded = True  # and may still be with hooks
        else:
            self.stop()
            self._pieces = (kept.content or b"",) if kept.size else ()
        return True

    async def _run(self, server: ServerStream, rewrite: Rewrite | None) -> None:
        session, request = self._session, self._request
        end = await forward(self._inbox, server, request, self._pieces, self._settings, 413, rewrite)
        if type(end) is not End:
            raise client_failure(end)
        server.await_answer()
        request.timestamp_end = session.time()
        if session.hooks.request:
            await self._tell(session.hooks.request)

    def _ended(self, error: BaseException | None) -> None:
        if isinstance(error, PeerError):
            error = Failed(str(error), error.status)
        elif isinstance(error, UsageError):
            error = unsendable(error)
        if error is not None and not isinstance(error, ClientLeft):
            self._break_off(error)
