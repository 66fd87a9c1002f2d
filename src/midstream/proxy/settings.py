"""The options as the hot path wants them: plain attributes of their final types, made once per change."""

from typing import Literal

import msgspec

from midstream.options import Options
from midstream.wire.errors import Profile
from midstream.wire.h1.limits import Limits
from midstream.wire.h2.limits import Limits as Http2Limits

TIMELINE_AT_DETAIL_4 = 1000
"""Frames kept of a connection where the most detailed output is to show them."""


class Settings(msgspec.Struct, frozen=True):
    """What connections and exchanges ask of the options. Sizes in bytes, times in seconds, 0 for no limit."""

    limits: Limits
    profile: Profile
    client_idle_timeout: float
    header_timeout: float
    connect_timeout: float
    tls_handshake_timeout: float
    first_byte_timeout: float
    server_idle_timeout: float
    tcp_timeout: float
    udp_timeout: float
    max_udp_clients: int
    udp_amplification: int
    stream_large_bodies: int
    body_memory: int
    body_size_limit: int
    store_streamed_bodies: bool
    stream_messages_kept: int
    keep_host_header: bool
    max_pool_idle_per_host: int
    max_connections_per_client: int
    http2: bool
    http2_limits: Http2Limits
    http2_priority: bool
    http2_ping_keepalive: float
    http2_timeline: int
    http2_mirror_fingerprint: bool
    http2_connections_per_host: int
    server_http2: Literal["mirror", "always", "never"]
    websocket: bool
    websocket_ping: Literal["answer", "relay"]
    websocket_limit: int
    websocket_idle_timeout: float

    @classmethod
    def of(cls, options: Options) -> "Settings":
        """Read them from `options`."""
        return cls(
            limits=Limits(
                head_bytes=options.max_head_bytes,
                head_fields=options.max_head_fields,
                chunk_line=options.max_chunk_line,
                trailer_bytes=options.max_trailer_bytes,
            ),
            profile=Profile(options.profile) if options.validate_inbound_headers else Profile.RAW,
            client_idle_timeout=options.client_idle_timeout,
            header_timeout=options.header_timeout,
            connect_timeout=options.connect_timeout,
            tls_handshake_timeout=options.tls_handshake_timeout,
            first_byte_timeout=options.first_byte_timeout,
            server_idle_timeout=options.server_idle_timeout,
            tcp_timeout=options.tcp_timeout,
            udp_timeout=options.udp_timeout,
            max_udp_clients=options.max_udp_clients,
            udp_amplification=options.udp_amplification,
            stream_large_bodies=options.stream_large_bodies or 0,
            body_memory=options.body_memory or 0,
            body_size_limit=options.body_size_limit or 0,
            store_streamed_bodies=options.store_streamed_bodies,
            stream_messages_kept=options.stream_messages_kept,
            keep_host_header=options.keep_host_header,
            max_pool_idle_per_host=options.max_pool_idle_per_host,
            max_connections_per_client=options.max_connections_per_client,
            http2=options.http2,
            http2_limits=_http2_limits(options),
            http2_priority=options.http2_priority,
            http2_ping_keepalive=options.http2_ping_keepalive,
            http2_timeline=options.http2_timeline or (TIMELINE_AT_DETAIL_4 if options.flow_detail >= 4 else 0),
            http2_mirror_fingerprint=options.http2_mirror_fingerprint,
            http2_connections_per_host=options.http2_connections_per_host,
            server_http2=options.server_http2,
            websocket=options.websocket,
            websocket_ping=options.websocket_ping,
            websocket_limit=options.websocket_max_message or 0,
            websocket_idle_timeout=options.websocket_idle_timeout,
        )


def _http2_limits(options: Options) -> Http2Limits:
    return Http2Limits(
        head_bytes=options.max_head_bytes,
        head_fields=options.max_head_fields,
        continuations=options.http2_max_continuations,
        table_bytes=options.http2_table_size,
        frame_bytes=options.http2_max_frame_size,
        concurrent_streams=options.http2_max_streams,
        stream_window=options.http2_stream_window,
        window_growth=options.http2_window_growth,
        connection_window=options.http2_connection_window,
        resets_per_second=options.http2_max_resets,
        controls_per_second=options.http2_max_control_frames,
        empties_per_second=options.http2_max_empty_frames,
        updates_per_second=options.http2_max_window_updates,
    )
