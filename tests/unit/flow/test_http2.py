"""What is known of an HTTP/2 connection."""

from midstream.flow.http2 import Http2Facts, Http2Frame


def test_frames_read_like_a_log():
    assert (
        str(Http2Frame(1.0, True, "DATA", 3, 5, ("END_STREAM",), "said")) == "> DATA stream 3, 5 bytes END_STREAM said"
    )
    assert str(Http2Frame(1.0, False, "SETTINGS", 0, 0)) == "< SETTINGS stream 0, 0 bytes"


def test_nothing_is_known_at_first():
    facts = Http2Facts()
    assert (facts.fingerprint, facts.settings, list(facts.frames), facts.frames_dropped) == ("", [], [], 0)


def test_the_introduction_is_saved_and_frames_are_not():
    facts = Http2Facts()
    facts.introduce("1:2|00|0|m,a", [(1, 2)])
    facts.frames.append(Http2Frame(1.0, True, "PING", 0, 8))
    state = facts.get_state()
    assert state == {"fingerprint": "1:2|00|0|m,a", "settings": [[1, 2]]}
    again = Http2Facts.from_state(state)
    assert again.fingerprint == "1:2|00|0|m,a"
    assert again.settings == [(1, 2)]
    assert not again.frames
