import io
import logging

import pytest

from midstream.cli.logs import ALERT, is_coloured, log_to_terminal


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("verbosity", "shown"),
    [("error", "e"), ("warn", "we"), ("alert", "awe"), ("info", "iawe"), ("debug", "diawe")],
)
def test_verbosity(verbosity, shown):
    stream = io.StringIO()
    log_to_terminal(verbosity, stream)
    for level, text in (
        (logging.DEBUG, "d"),
        (logging.INFO, "i"),
        (ALERT, "a"),
        (logging.WARNING, "w"),
        (logging.ERROR, "e"),
    ):
        logging.getLogger("some.addon").log(level, text)
    assert [line.split()[1] for line in stream.getvalue().splitlines()] == list(shown)


def test_what_peers_sent_cannot_steer_the_terminal():
    stream = io.StringIO()
    log_to_terminal("info", stream)
    logging.getLogger("x").info("evil \x1b[2J\x07 \x9b1m \r tab\tend")
    assert "evil \\x1b[2J\\x07 \\x9b1m \\x0d tab\tend" in stream.getvalue()


def test_colours_only_on_terminals_and_without_no_color(monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    log_to_terminal("info", stream)
    logging.getLogger("x").error("red")
    logging.getLogger("x").info("plain")
    red, plain = stream.getvalue().splitlines()
    assert red.startswith("\x1b[31m")
    assert "\x1b" not in plain
    assert not is_coloured(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not is_coloured(stream)


def test_the_loop_does_not_chat():
    log_to_terminal("info", io.StringIO())
    assert logging.getLogger("asyncio").level == logging.WARNING


def test_standard_error_is_the_default(capsys):
    log_to_terminal("info")
    logging.getLogger("x").info("here")
    assert "here" in capsys.readouterr().err
