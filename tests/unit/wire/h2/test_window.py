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


def test_a_window_grows_while_its_consumer_keeps_up_and_shrinks_when_it_lags():
    window = ReceiveWindow(100, growth=4)
    for came, granted, size in (50, 150, 200), (100, 300, 400), (200, 200, 400):
        assert window.take(came)
        assert window.release(came) == granted
        assert window.size == size
    assert window.take(400)
    assert window.release(200) == 0  # half of it waits
    assert (window.size, window.left, window.held, window.owed) == (200, 0, 200, 0)
    assert window.release(100) == 0
    assert (window.size, window.left, window.held, window.owed) == (100, 0, 100, 0)
    assert window.release(50) == 50
    assert window.size == 100


def test_a_window_never_holds_more_than_its_size():
    window = ReceiveWindow(100, growth=4)
    for step in range(1000):
        window.take(min(window.left, 7 * (step % 23)))
        window.release(5 * (step % 31))
        assert window.left >= 0
        assert window.held >= 0
        assert window.left + window.held + window.owed == window.size
        assert 100 <= window.size <= 400


def test_a_first_size_that_becomes_known_later_counts_from_then_on():
    window = ReceiveWindow(1000, growth=4)
    window.take(500)
    assert window.release(500) == 1500
    window.begin_with(100)
    assert (window.left, window.size) == (1100, 1100)
    window.take(600)
    assert window.release(600) == 0
    assert window.size == 400
