from midstream.wire.h2.window import ReceiveWindow


def test_a_window_opens_in_steps_of_half_its_size():
    window = ReceiveWindow(100)
    assert window.take(100)
    assert window.release(49) == 0
    assert window.release(1) == 50
    assert (window.left, window.held, window.owed) == (50, 50, 0)


def test_nothing_is_given_back_twice():
    window = ReceiveWindow(10)
    window.take(4)
    assert window.release(100) == 0
    assert window.owed == 4
    assert window.release(100) == 0


def test_more_than_was_allowed():
    assert not ReceiveWindow(10).take(11)
