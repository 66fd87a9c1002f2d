import gzip
import zlib

import pytest

from midstream.flow import GrpcCall, GrpcMessage, Headers, HTTPFlow


@pytest.fixture
def call(flow):
    flow.request.path = "/pkg.Service/Method"
    flow.request.headers["content-type"] = "application/grpc+proto"
    return flow


def test_messages_compare_and_show_themselves():
    message = GrpcMessage(True, b"abc", timestamp=1.0)
    assert repr(message) == "-> b'abc'"
    assert repr(GrpcMessage(False, b"abc")) == "<- b'abc'"
    assert message == GrpcMessage(True, b"abc", timestamp=1.0)
    assert message != GrpcMessage(True, b"xyz", timestamp=1.0)
    assert message != "abc"
    assert GrpcMessage(True, b"").timestamp > 1


def test_a_message_is_dropped():
    message = GrpcMessage(True, b"abc")
    assert not message.dropped
    message.drop()
    assert message.dropped


def test_data_is_the_content_where_nothing_is_compressed():
    message = GrpcMessage(True, b"abc", encoding="gzip")
    assert message.data == b"abc"
    message.data = b"def"
    assert message.content == b"def"


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_data_of_compressed_messages(encoding, compress):
    message = GrpcMessage(True, compress(b"abc"), True, encoding)
    assert message.data == b"abc"
    message.data = b"def"
    assert message.content != b"def"
    assert message.data == b"def"


def test_compressed_by_nothing_means_as_it_is():
    assert GrpcMessage(True, b"abc", True, "identity").data == b"abc"


def test_data_that_cannot_be_had():
    with pytest.raises(ValueError, match="not valid gzip"):
        _ = GrpcMessage(True, b"abc", True, "gzip").data
    with pytest.raises(ValueError, match="'snappy'"):
        _ = GrpcMessage(True, b"abc", True, "snappy").data
    with pytest.raises(ValueError, match="'snappy'"):
        GrpcMessage(True, b"abc", True, "snappy").data = b"def"


def test_messages_are_part_of_the_state(flow):
    flow.grpc_messages.append(GrpcMessage(False, b"abc", True, "gzip", 5.0, True))
    flow.messages_forgotten = 3
    copy = HTTPFlow.from_state(flow.get_state())
    assert copy.grpc_messages == flow.grpc_messages
    assert copy.grpc_messages is not flow.grpc_messages
    assert copy.messages_forgotten == 3


def test_what_was_called(call):
    assert call.grpc == GrpcCall("pkg.Service", "Method")
    call.request.path = "/prefix/pkg.Service/Method?x=1"
    assert call.grpc == GrpcCall("prefix/pkg.Service", "Method")
    call.request.path = "/"
    assert call.grpc == GrpcCall("", "")
    call.response = None
    assert call.grpc.status is None


def test_other_requests_are_no_calls(flow):
    assert flow.grpc is None


def test_the_status_stands_in_the_trailers(call):
    call.response.trailers = Headers([(b"grpc-status", b"5"), (b"grpc-message", b"no%20such%20%E2%82%AC")])
    assert call.grpc == GrpcCall("pkg.Service", "Method", 5, "no such €")
    assert call.grpc.status_name == "NOT_FOUND"


def test_or_in_the_head_of_a_response_without_more(call):
    call.response.trailers = Headers([(b"x", b"y")])
    call.response.headers["grpc-status"] = "0"
    assert (call.grpc.status, call.grpc.status_name) == (0, "OK")


@pytest.mark.parametrize(("status", "number"), [("", None), ("x", None), ("-1", None), ("²", None), ("99", 99)])
def test_a_status_without_a_name(call, status, number):
    call.response.headers["grpc-status"] = status
    assert (call.grpc.status, call.grpc.status_name) == (number, "")


def test_a_status_that_is_no_sane_number(call):
    call.response.headers["grpc-status"] = "9" * 5000
    assert call.grpc.status is None
