import gzip
import random
import zlib

import brotli
import pytest
import zstandard

from midstream.flow import encoding

BODY = b"The quick brown fox. " * 500


def raw_deflate(data):
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(data) + compressor.flush()


ENCODED = {
    "gzip": gzip.compress(BODY),
    "GZip": gzip.compress(BODY),
    "x-gzip": gzip.compress(BODY),
    "deflate": zlib.compress(BODY),
    "deflateraw": raw_deflate(BODY),
    "br": brotli.compress(BODY),
    "zstd": zstandard.compress(BODY),
    " gzip , BR": brotli.compress(gzip.compress(BODY)),
    "identity": BODY,
    "none": BODY,
    "": BODY,
    "gzip, identity": gzip.compress(BODY),
}


@pytest.mark.parametrize("header", ENCODED)
def test_h1_49_codings_upper_case_and_lists(header):
    assert encoding.decode(ENCODED[header], header) == BODY


def test_h1_49_bare_deflate_under_the_name_deflate():
    assert encoding.decode(raw_deflate(BODY), "deflate") == BODY


def test_h1_49_zstd_with_several_frames():
    frames = zstandard.compress(BODY) + zstandard.compress(b"") + zstandard.compress(b"more" * 9999)
    assert encoding.decode(frames, "zstd") == BODY + b"more" * 9999


def test_h1_49_gzip_with_several_members_and_a_tail():
    assert encoding.decode(gzip.compress(b"one ") + gzip.compress(b"two"), "gzip") == b"one two"
    assert encoding.decode(gzip.compress(b"one") + b"\0\0\0", "gzip") == b"one"


@pytest.mark.parametrize("header", ["gzip", "br", "zstd", "deflate", "sdch"])
def test_h1_49_an_empty_body_needs_no_decoding(header):
    assert encoding.decode(b"", header) == b""


@pytest.mark.parametrize("header", ["sdch", "gzip, sdch"])
def test_h1_49_unknown_codings_leave_the_body_alone(header):
    result = encoding.decode_partly(b"data", header)
    assert result.data == b"data"
    assert "cannot decode 'sdch'" in result.problem
    with pytest.raises(ValueError, match="cannot encode 'sdch': known are br"):
        encoding.encode(b"data", header)


@pytest.mark.parametrize("header", ["gzip", "deflate", "br", "zstd"])
def test_h1_49_truncated_bodies_are_decoded_as_far_as_they_go(header):
    noise = random.Random(1).randbytes(400_000)
    whole = encoding.encode(noise, header)
    result = encoding.decode_partly(whole[: len(whole) // 2], header)
    assert noise.startswith(result.data)
    assert 0 < len(result.data) < len(noise)
    assert result.problem == f"the body is not valid {header}: it ends too early"
    with pytest.raises(ValueError, match="too early"):
        encoding.decode(whole[:-1], header)


@pytest.mark.parametrize("header", ["gzip", "deflate", "br", "zstd"])
def test_h1_48_bodies_that_are_not_what_they_say(header):
    result = encoding.decode_partly(b"<html>plain text</html>" * 9, header)
    assert f"not valid {header}" in result.problem


@pytest.mark.parametrize("header", ["gzip", "deflate", "br", "zstd"])
def test_h1_50_decompression_bombs_are_cut_by_ratio(header):
    bomb = encoding.encode(bytes(encoding.RATIO_FREE * 3), header)
    result = encoding.decode_partly(bomb, header)
    assert len(result.data) == max(encoding.RATIO_FREE, len(bomb) * encoding.MAX_RATIO)
    assert "grows beyond" in result.problem


def test_h1_50_the_size_is_bounded():
    result = encoding.decode_partly(gzip.compress(BODY), "gzip", max_size=100)
    assert result.data == BODY[:100]
    assert "grows beyond 100 bytes" in result.problem


@pytest.mark.parametrize("header", ["dcb", "dcz"])
def test_h1_51_dictionary_codings_are_left_untouched_with_a_reason(header):
    result = encoding.decode_partly(b"data", header)
    assert result.data == b"data"
    assert "RFC 9842" in result.problem


@pytest.mark.parametrize(
    "header", ["gzip", "deflate", "deflateraw", "br", "zstd", "identity", "gzip, br", "x-gzip", None]
)
def test_encoding_round_trip(header):
    assert encoding.decode(encoding.encode(BODY, header), header) == BODY


def test_h1_50_more_codings_than_anybody_uses_are_not_undone():
    result = encoding.decode_partly(b"data", "gzip, " * 6)
    assert result.data == b"data"
    assert "claims 6 codings" in result.problem


def test_h1_50_bombs_within_bombs_are_measured_from_the_outside():
    bomb = encoding.encode(bytes(encoding.RATIO_FREE * 3), "gzip, gzip, gzip")
    result = encoding.decode_partly(bomb, "gzip, gzip, gzip")
    assert len(result.data) == encoding.RATIO_FREE
    assert "grows beyond" in result.problem


def test_names():
    assert encoding.names(" GZIP ,,identity, Br") == ["gzip", "br"]
    assert encoding.names(None) == []


@pytest.mark.parametrize("header", ["gzip", "deflate", "deflateraw", "br", "zstd"])
def test_nothing_encoded_is_nothing_decoded(header):
    assert encoding.decode(encoding.encode(b"", header), header) == b""
