import gc

import pytest

from midstream.flow import Body, BodyState


def test_in_memory_up_to_the_limit():
    body = Body(limit=6)
    assert body.content == b""
    body.append(b"abc")
    body.append(b"def")
    assert body.content == b"abcdef"
    assert body.content is body.content
    assert body.size == 6
    assert body.state is BodyState.MEMORY
    assert not body.is_dropped


def test_dropped_past_the_limit():
    body = Body(limit=5)
    for _ in range(3):
        body.append(b"abc")
    assert body.state is BodyState.DROPPED
    assert body.is_dropped
    assert body.content is None
    assert body.size == 9


def test_in_a_file_past_the_limit():
    body = Body(limit=5, spill=True)
    pieces = [b"abc", b"def", b"ghi"]
    for piece in pieces[:2]:
        body.append(piece)
    assert body.state is BodyState.FILE
    assert body.content == b"abcdef"
    body.append(pieces[2])
    assert body.content == b"abcdefghi"
    assert body.size == 9


@pytest.mark.parametrize("spill", [False, True])
def test_closing_lets_go(spill):
    body = Body(limit=2, spill=spill)
    body.append(b"abc")
    body.close()
    assert body.content is None
    assert body.size == 3
    body.append(b"d")
    assert body.size == 4


def test_closing_an_empty_body():
    body = Body(limit=2)
    body.close()
    assert body.content == b""


def test_a_forgotten_file_is_closed():
    body = Body(limit=0, spill=True)
    body.append(b"abc")
    file = body._file
    del body
    gc.collect()
    assert file.closed
