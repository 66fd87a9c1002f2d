import asyncio
import os
import signal
import sys

import pytest

from midstream.cli import run as module
from midstream.cli.entry import call
from midstream.cli.run import pass_on, proxy_url, run_child
from midstream.cli.serve import run_in_loop
from midstream.options import Options


@pytest.fixture
def confdir(fake_engine, tmp_path):
    """The configuration folder with a CA in it; the fake engine serves until it is stopped."""
    fake_engine.serve_forever_does = staticmethod(lambda: asyncio.Event().wait())
    (tmp_path / "midstream-ca-cert.pem").write_text("OUR CA")
    return tmp_path


def python(code):
    return ["--", sys.executable, "-c", code]


@pytest.mark.usefixtures("confdir")
def test_the_command_gets_the_proxy_and_the_ca(capfd, fake_engine):
    code = "import os; print(os.environ['HTTPS_PROXY'], os.environ['http_proxy'], open(os.environ['SSL_CERT_FILE']).read()[-7:])"
    assert call(["run", "-p", "5", *python(code)]) == 0
    captured = capfd.readouterr()
    assert captured.out == "http://127.0.0.1:5 http://127.0.0.1:5 OUR CA\n\n"
    assert (fake_engine.log[0], fake_engine.log[-1]) == ("start", "stop")


@pytest.mark.usefixtures("confdir")
def test_a_free_port_unless_told(fake_engine):
    assert call(["run", *python("")]) == 0
    assert fake_engine.last.options.listen_port == 0
    assert call(["run", "--listen-host", "::1", *python("")]) == 0


@pytest.mark.usefixtures("confdir")
def test_the_bundle_is_gone_afterwards(capfd):
    assert call(["run", *python("import os; print(os.environ['CURL_CA_BUNDLE'])")]) == 0
    assert not os.path.exists(capfd.readouterr().out.strip())


@pytest.mark.usefixtures("confdir")
def test_what_the_proxy_prints_does_not_mix_with_the_output(capfd, fake_engine):
    async def chat():
        print("flow")  # noqa: T201 - as the dumper does
        await asyncio.Event().wait()

    fake_engine.serve_forever_does = staticmethod(chat)
    assert call(["run", *python("print('mine')")]) == 0
    captured = capfd.readouterr()
    assert captured.out == "mine\n"
    assert "flow" in captured.err


@pytest.mark.usefixtures("confdir")
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (python("import sys; sys.exit(7)"), 7),
        (python("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), 137),
        (["--", "no-such-command-anywhere"], 127),
        (["--", "/etc/passwd"], 126),
    ],
)
def test_the_exit_code_is_that_of_the_command(command, code, capfd):
    assert call(["run", *command]) == code
    assert (code > 125 and code < 128) == ("midstream: " in capfd.readouterr().err)


@pytest.mark.usefixtures("confdir")
def test_flags_after_the_command_are_its_own(capfd):
    assert (
        call(
            [
                "run",
                "--no-proxy",
                "a",
                sys.executable,
                "-c",
                "import sys, os; print(sys.argv[1:], os.environ['no_proxy'])",
                "-q",
                "--set",
            ]
        )
        == 0
    )
    assert capfd.readouterr().out == "['-q', '--set'] a\n"


@pytest.mark.usefixtures("confdir")
@pytest.mark.parametrize("mode", ["socks5", "reverse:http://a", "transparent@1"])
def test_only_http_proxies_can_be_put_around(mode, capsys):
    assert call(["run", "-m", mode, *python("")]) == 2
    assert "take regular or upstream" in capsys.readouterr().err


@pytest.mark.usefixtures("confdir")
def test_without_listeners_there_is_nothing_to_be_sent_to(capsys):
    assert call(["run", "-n", *python("")]) == 2
    assert "leave --no-server out" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("proxyauth", "address", "proxy"),
    [
        (None, ("127.0.0.1", 1), "http://127.0.0.1:1"),
        (None, ("0.0.0.0", 1), "http://127.0.0.1:1"),
        (None, ("::", 1), "http://[::1]:1"),
        ("me:a:b/@", ("127.0.0.1", 1), "http://me:a%3Ab%2F%40@127.0.0.1:1"),
        ("any", ("127.0.0.1", 1), "http://127.0.0.1:1"),
        ("@C:/passwords", ("127.0.0.1", 1), "http://127.0.0.1:1"),
    ],
)
def test_where_the_command_finds_the_proxy(proxyauth, address, proxy):
    assert proxy_url(Options(proxyauth=proxyauth), address) == proxy


@pytest.mark.usefixtures("confdir")
def test_a_command_is_needed():
    assert call(["run"]) == 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_signals_reach_the_command(number, monkeypatch):
    """The command itself signals its parent, once it is ready to be signalled."""
    monkeypatch.setattr(module, "_is_at_terminal", lambda: False)
    code = (
        "import os, signal, sys\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(9))\n"
        f"os.kill(os.getppid(), {int(number)})\n"
        "signal.pause()\n"
    )
    assert run_in_loop(Options(event_loop="asyncio"), lambda: run_child([sys.executable, "-c", code], os.environ)) == 9


class GoneChild:
    def __init__(self):
        self.got = []

    def send_signal(self, number):
        self.got.append(number)
        raise ProcessLookupError


@pytest.mark.parametrize(("at_terminal", "count"), [(True, 0), (False, 1)])
def test_the_terminal_itself_signals_the_command(monkeypatch, at_terminal, count):
    monkeypatch.setattr(module, "_is_at_terminal", lambda: at_terminal)
    child = GoneChild()
    pass_on(child, signal.SIGINT)
    assert len(child.got) == count


def test_signals_wait_for_the_command_to_be_there(monkeypatch):
    monkeypatch.setattr(module, "_is_at_terminal", lambda: False)
    passer, child = module.Passer(), GoneChild()
    passer.pass_on(signal.SIGINT)
    passer.lead_to(child)
    passer.pass_on(signal.SIGTERM)
    assert child.got == [signal.SIGINT, signal.SIGTERM]


def test_no_terminal(monkeypatch):
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        assert not module._is_at_terminal()
