import gzip
import random
import zlib

import brotli
import pytest
import zstandard

from midstream.flow import recoding

CODINGS = ["gzip", "deflate", "br", "zstd"]
WHOLE = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": brotli.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
every_coding = pytest.mark.parametrize("coding", CODINGS)


def decoded(coding, *pieces):
    decode = recoding.decoder(coding)
    return b"".join(part for piece in pieces for part in decode(piece))


@every_coding
def test_each_piece_comes_out_with_its_last_byte(coding):
    encoder, decode = recoding.encoder(coding), recoding.decoder(coding)
    for piece in (b"one", b"two" * 1000, b"3"):
        assert b"".join(decode(encoder.encode(piece))) == piece
    end = encoder.finish()
    assert b"".join(decode(end) if end else ()) == b""


@every_coding
def test_what_is_encoded_is_whole(coding):
    encoder = recoding.encoder(coding)
    whole = encoder.encode(b"one") + encoder.encode(b"two") + encoder.finish()
    assert decoded(coding, whole) == b"onetwo"
    if coding == "gzip":
        assert gzip.decompress(whole) == b"onetwo"


@every_coding
def test_cuts_do_not_matter(coding):
    data = random.Random(1).randbytes(20).hex().encode() * 50
    whole = WHOLE[coding](data)
    assert decoded(coding, whole) == data
    assert decoded(coding, *(whole[at : at + 1] for at in range(len(whole)))) == data
    for at in range(1, len(whole)):
        assert decoded(coding, whole[:at], whole[at:]) == data


@every_coding
def test_a_bomb_comes_out_in_small_parts(coding):
    bomb = WHOLE[coding](b"\0" * (4 << 20))
    parts = list(recoding.decoder(coding)(bomb))
    assert sum(map(len, parts)) == 4 << 20
    if coding != "zstd":  # bounded by what goes in
        assert max(map(len, parts)) <= 2 * recoding.STEP


@every_coding
def test_broken_bodies(coding):
    with pytest.raises(ValueError, match=f"the body is not valid {coding}: "):
        decoded(coding, b"\xff\xff\xff\xff no such body", b"more")


def test_members_and_frames_follow_each_other():
    for coding in ("gzip", "zstd"):
        one, two = WHOLE[coding](b"one"), WHOLE[coding](b"two")
        assert decoded(coding, one + two) == decoded(coding, one, two) == b"onetwo"


def test_bare_deflate():
    compressor = zlib.compressobj(wbits=-15)
    assert decoded("deflate", compressor.compress(b"bare") + compressor.flush()) == b"bare"


def test_known_codings():
    assert [coding for coding in (*CODINGS, "gzip, br", "compress", "") if recoding.is_known(coding)] == CODINGS
