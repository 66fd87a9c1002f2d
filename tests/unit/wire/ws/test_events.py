from midstream.wire.ws.errors import WebSocketError
from midstream.wire.ws.events import Close, Lost, Piece, close_for


def test_ws_06_codes_that_are_shown_only():
    assert Close().shown_code == 1005
    assert Close(4000).shown_code == 4000
    assert Lost("gone").shown_code == 1006


def test_a_message_ends_with_its_last_frame():
    assert Piece(1, b"").is_last
    assert not Piece(1, b"", left=1).is_last
    assert not Piece(1, b"", left=-1).is_last
    assert not Piece(1, b"", is_final=False).is_last


def test_the_close_frame_for_a_fault_fits_and_stays_text():
    assert close_for(WebSocketError("too big", "", 1009)) == Close(1009, b"too big")
    assert close_for(WebSocketError("é" * 100, "")) == Close(1002, "é".encode() * 61)
