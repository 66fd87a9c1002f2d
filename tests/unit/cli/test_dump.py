import logging

import pytest

from midstream.cli.entry import call


def test_it_serves_and_says_where(fake_engine, capsys):
    assert call(["dump", "-p", "9090", "-m", "regular", "-m", "socks5@1"]) == 0
    assert fake_engine.log == ["start", "serve", "stop"]
    assert fake_engine.last.addons == ["dumper"]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "regular proxy at http://127.0.0.1:9090\nsocks5 proxy at socks5://127.0.0.1:1\n" in captured.err


def test_filter_words_are_joined(fake_engine):
    assert call(["dump", "~d", "example.com", "&", "!~c 200"]) == 0
    assert fake_engine.last.options.dumper_filter == "~d example.com & !~c 200"


def test_the_filter_may_come_from_the_environment(fake_engine, monkeypatch):
    monkeypatch.setenv("MIDSTREAM_DUMPER_FILTER", "~q")
    assert call(["dump"]) == 0
    assert fake_engine.last.options.dumper_filter == "~q"


def test_quiet_is_quiet(fake_engine, capsys):
    assert call(["dump", "-q"]) == 0
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
    assert fake_engine.last.options.flow_detail == 0


def test_a_verbose_log(fake_engine, capsys):
    async def say():
        logging.getLogger("midstream.proxy").debug("detail")

    fake_engine.serve_forever_does = staticmethod(say)
    assert call(["dump", "-v"]) == 0
    assert "detail" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "reason"), [(["-m", "tun"], "not there yet"), (["--set", "flow_detial=1"], "did you mean flow_detail?")]
)
@pytest.mark.usefixtures("fake_engine")
def test_mistakes_have_exit_code_2(words, reason, capsys):
    assert call(["dump", *words]) == 2
    assert reason in capsys.readouterr().err


def test_a_taken_port_has_exit_code_1(fake_engine, capsys):
    fake_engine.start_fault = OSError("port 8080 is taken")
    assert call(["dump"]) == 1
    assert capsys.readouterr().err == "midstream: port 8080 is taken\n"
