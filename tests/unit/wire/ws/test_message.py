import pytest

from midstream.wire.errors import Fault
from midstream.wire.ws import Assembler, Message
from midstream.wire.ws.events import BINARY, TEXT, Piece

FAULT, OTHER = Fault("a", "b"), Fault("c", "d")


def joined(*pieces):
    assembler = Assembler()
    found = [message for piece in pieces if (message := assembler.add(piece)) is not None]
    assert len(found) == 1
    return found[0]


def test_a_message_in_one_piece():
    assert joined(Piece(TEXT, b"hi", is_compressed=True, faults=(FAULT,))) == Message(TEXT, b"hi", (), True, (FAULT,))


def test_ws_03_pieces_of_one_frame_are_no_fragments():
    pieces = Piece(BINARY, b"ab", left=3), Piece(BINARY, b"c", False, left=2), Piece(BINARY, b"de", False)
    assert joined(*pieces) == Message(BINARY, b"abcde")


def test_ws_03_the_layout_is_remembered():
    pieces = [
        Piece(TEXT, b"ab", True, False, 1, faults=(FAULT,)),
        Piece(TEXT, b"c", False, False),
        Piece(TEXT, b"", False, False, faults=(OTHER,)),
        Piece(TEXT, b"d", False, True, -1),
        Piece(TEXT, b"e", False, True),
    ]
    message = joined(*pieces)
    assert message == Message(TEXT, b"abcde", (3, 0, 2), False, (FAULT, OTHER))
    assert message.fragments() == [b"abc", b"", b"de"]


def test_an_assembler_serves_one_message_after_the_other():
    assembler = Assembler()
    for _ in range(2):
        assert assembler.add(Piece(TEXT, b"a", True, False)) is None
        assert assembler.add(Piece(TEXT, b"b", False)) == Message(TEXT, b"ab", (1, 1))
    assembler.add(Piece(TEXT, b"lost", True, False, 3))
    assembler.clear()
    assert assembler.add(Piece(TEXT, b"a", True, True, 1)) is None
    assert assembler.add(Piece(TEXT, b"b", False)) == Message(TEXT, b"ab")


@pytest.mark.parametrize(
    ("data", "layout", "expected"),
    [
        (b"abcdef", (), [b"abcdef"]),
        (b"abcdef", (2, 2), [b"ab", b"cd", b"ef"]),
        (b"abc", (1, 4), [b"abc"]),
        (b"", (1, 4), [b""]),
        (b"abc", (0, 0), [b"abc"]),
        (b"", (0, 0), [b"", b""]),
        (b"ABC", (1, 2), [b"A", b"BC"]),
    ],
)
def test_ws_03_an_edited_message_is_cut_anew(data, layout, expected):
    assert Message(TEXT, data, layout).fragments() == expected


def test_ws_09_fragments_beyond_counting_are_joined():
    pieces = [Piece(TEXT, b"a", not at, False) for at in range(5000)]
    message = joined(*pieces, Piece(TEXT, b"b", False))
    assert len(message.layout) == 4096
    assert sum(message.layout) == len(message.data) == 5001
