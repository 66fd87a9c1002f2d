import errno
import io
import os
import subprocess
import sys
import threading

import pytest

from midstream.addons.printer import Printer


def never():
    raise AssertionError("nobody went away")


class Slow(io.StringIO):
    """A terminal that takes what it is given once it is let."""

    def __init__(self):
        super().__init__()
        self.began = threading.Event()
        self.go_on = threading.Event()

    def write(self, text):
        self.began.set()
        assert self.go_on.wait(10)
        return super().write(text)


def test_text_is_written_in_order():
    stream = io.StringIO()
    printer = Printer(stream, never)
    for number in range(100):
        printer.put(f"{number}\n")
    printer.close()
    assert stream.getvalue() == "".join(f"{number}\n" for number in range(100))


def test_without_text_there_is_no_thread():
    before = threading.active_count()
    printer = Printer(io.StringIO(), never)
    assert threading.active_count() == before
    printer.close()


def test_after_the_end_nothing_is_written():
    stream = io.StringIO()
    printer = Printer(stream, never)
    printer.put("a")
    printer.close()
    printer.put("b")
    assert stream.getvalue() == "a"


def test_a_slow_reader_holds_nobody_up_and_what_waits_is_bounded():
    stream = Slow()
    printer = Printer(stream, never, bound=10)
    printer.put("first\n")
    assert stream.began.wait(10)
    for number in range(10):
        printer.put(f"line {number}\n")
    stream.go_on.set()
    printer.close()
    assert stream.getvalue() == "first\nline 0\nline 1\n… 8 flows are not shown: this output was too slow for them\n"


def test_ui_22_a_reader_that_went_away_is_told_once():
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    told = threading.Event()
    printer = Printer(Gone(), told.set)
    printer.put("a")
    assert told.wait(10)
    printer.put("b")
    printer.close()


def test_a_full_disk_is_told(caplog):
    class Full(io.StringIO):
        def write(self, text):
            raise OSError(errno.ENOSPC, "No space left on device")

    told = threading.Event()
    printer = Printer(Full(), told.set)
    printer.put("a")
    assert told.wait(10)
    printer.close()
    assert "No space left" in caplog.text


def test_ui_22_a_closed_stream_is_as_good_as_gone():
    stream = io.StringIO()
    stream.close()
    told = threading.Event()
    printer = Printer(stream, told.set)
    printer.put("a")
    assert told.wait(10)
    printer.close()


def test_a_reader_that_goes_away_at_the_end_is_nothing_to_tell():
    class Gone(Slow):
        def flush(self):
            raise BrokenPipeError

    stream = Gone()
    printer = Printer(stream, never)
    printer.put("a")
    assert stream.began.wait(10)
    closing = threading.Thread(target=printer.close)
    closing.start()
    while not printer._is_over:
        pass
    stream.go_on.set()
    closing.join(10)
    assert not closing.is_alive()


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", b"\\u65e5 \\xfc"), ("latin-1", b"\\u65e5 \xfc")])
def test_what_the_terminal_cannot_show_is_named(encoding, shown):
    raw = io.BytesIO()
    printer = Printer(io.TextIOWrapper(raw, encoding), never)
    printer.put("日 ü")
    printer.close()
    assert raw.getvalue() == shown


PROGRAM = """
import sys, threading
from midstream.addons.printer import Printer
told = threading.Event()
printer = Printer(sys.stdout, told.set)
printer.put("x" * 1000)
assert told.wait(10)
printer.close()
print("more that stays in the buffer")
"""


def test_ui_22_the_interpreter_ends_without_a_word():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], stdout=writing, stderr=subprocess.PIPE, timeout=30, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
