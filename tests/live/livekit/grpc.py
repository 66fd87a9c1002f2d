"""A gRPC service and its client by the grpcio package, without generated code: messages are plain bytes."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc

from livekit.authority import Issued
from livekit.tools import TIME_LIMIT

_SERVICE = "live.Echo"


class GrpcServer:
    """Serves `live.Echo`: Shout, Count (a stream from it), Sum (a stream to it), Talk (both), Refuse, Hang.

    Count sends its next message only when the client has `allow`ed it, so that nothing can hide behind a buffer.
    """

    def __init__(self, issued: Issued | None = None) -> None:
        self.allow = threading.Semaphore(0)
        self.hanging = threading.Event()
        """A call of Hang has come."""
        self.abandoned = threading.Event()
        """That call is over at the server, too: cancelled, or past its deadline."""
        self.metadata: dict[str, str] = {}
        """What came with the last Shout."""
        self._pool = ThreadPoolExecutor(max_workers=8)
        self._server = grpc.server(self._pool)
        methods = {
            "Shout": grpc.unary_unary_rpc_method_handler(self._shout),
            "Count": grpc.unary_stream_rpc_method_handler(self._count),
            "Sum": grpc.stream_unary_rpc_method_handler(_sum),
            "Talk": grpc.stream_stream_rpc_method_handler(_talk),
            "Refuse": grpc.unary_unary_rpc_method_handler(_refuse),
            "Hang": grpc.unary_unary_rpc_method_handler(self._hang),
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, methods),))
        self.is_tls = issued is not None
        if issued:
            pair = issued.key.read_bytes(), issued.certificate.read_bytes()
            self.port = self._server.add_secure_port("localhost:0", grpc.ssl_server_credentials([pair]))
        else:
            self.port = self._server.add_insecure_port("localhost:0")
        self._server.start()

    def stop(self) -> None:
        self.allow.release(1000)
        self._server.stop(grace=0).wait(TIME_LIMIT)
        self._pool.shutdown()

    def _shout(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        self.metadata = dict(context.invocation_metadata())
        context.send_initial_metadata((("x-first", "yes"),))
        context.set_trailing_metadata((("x-last", "yes"), ("x-binary-bin", b"\x00\xff")))
        return message.upper()

    def _count(self, message: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        for number in range(int(message)):
            assert self.allow.acquire(timeout=TIME_LIMIT), "nobody asked for the next message"
            yield str(number).encode()

    def _hang(self, message: bytes, context: grpc.ServicerContext) -> bytes:
        context.add_callback(self.abandoned.set)
        self.hanging.set()
        assert self.abandoned.wait(TIME_LIMIT), "the call went on"
        return b"too late"


class GrpcClient:
    """A channel straight to the server, or with `proxy` through its CONNECT."""

    def __init__(self, target: str, *, ca: Path | None = None, proxy: str | None = None) -> None:
        options: Sequence[tuple[str, str | int]] = [("grpc.use_local_subchannel_pool", 1)]
        options += [("grpc.http_proxy", proxy)] if proxy else [("grpc.enable_http_proxy", 0)]
        credentials = grpc.ssl_channel_credentials(ca.read_bytes()) if ca else None
        self.channel = (
            grpc.secure_channel(target, credentials, options) if credentials else grpc.insecure_channel(target, options)
        )
        unary, stream = self.channel.unary_unary, self.channel.stream_unary
        self.shout = unary(f"/{_SERVICE}/Shout")
        self.refuse = unary(f"/{_SERVICE}/Refuse")
        self.hang = unary(f"/{_SERVICE}/Hang")
        self.unknown = unary(f"/{_SERVICE}/Unknown")
        self.count = self.channel.unary_stream(f"/{_SERVICE}/Count")
        self.sum = stream(f"/{_SERVICE}/Sum")
        self.talk = self.channel.stream_stream(f"/{_SERVICE}/Talk")

    def stop(self) -> None:
        self.channel.close()


def _sum(messages: Iterable[bytes], context: grpc.ServicerContext) -> bytes:
    return str(sum(int(message) for message in messages)).encode()


def _talk(messages: Iterable[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
    return (b"heard " + message for message in messages)


def _refuse(message: bytes, context: grpc.ServicerContext) -> bytes:
    context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you: ä%")
