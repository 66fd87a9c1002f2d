"""The command line as people use it: processes, signals, exit codes, what is printed where."""

import contextlib
import json
import os
import re
import socket
import ssl
import sys
import threading

import pytest

from livekit.nginx import SMALL
from livekit.rawclient import RawClient
from livekit.scripted import ScriptedConnection
from midstream.wire import events

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HUGE_SIZE = 200 * 2**20
MEMORY_LIMIT = 64 * 2**20


@pytest.fixture
def ca(confdir):
    return confdir / "midstream-ca-cert.pem"


def finished(running):
    """The exit code and output of a command that ends by itself."""
    code = running.wait()
    return code, "\n".join(running.out), "\n".join(running.err)


def no_traceback(running):
    return not any("Traceback" in line for line in running.err)


# Start and stop.


def test_dump_says_where_it_listens_and_prints_what_passes(dump, nginx_origin, curl, ca):
    running = dump()
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", running.url)
    running.wait_for("midstream trust")
    assert curl(nginx_origin.http("/small"), proxy=running.url).body == SMALL
    assert curl(nginx_origin.https("/teapot"), proxy=running.url, ca=ca).status == 418
    running.wait_for(r"GET .*/small")
    running.wait_for(r"418")
    assert not any("/small" in line for line in running.err), "flows go to standard output"
    running.interrupt()
    assert running.wait() == 130
    assert no_traceback(running)


def test_sigterm_is_a_clean_end(dump):
    running = dump()
    assert running.url
    running.process.terminate()
    assert running.wait() == 0
    assert no_traceback(running)


def test_colours_are_for_terminals(dump, nginx_origin, curl):
    for variables, is_coloured in (({}, True), ({"NO_COLOR": "1"}, False)):
        running = dump(terminal=True, **variables)
        assert curl(nginx_origin.http("/teapot"), proxy=running.url).status == 418
        running.wait_for("418")
        running.interrupt()
        assert running.wait() == 130
        assert any("\x1b[" in line for line in running.out) == is_coloured


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_both_event_loops(dump, nginx_origin, scripted_origin, curl, ca, loop):
    running = dump("--set", f"event_loop={loop}")
    assert curl(nginx_origin.http("/small"), proxy=running.url).body == SMALL
    assert curl(nginx_origin.https("/chunked/text.txt"), proxy=running.url, ca=ca).status == 200
    upload = curl(nginx_origin.https(f"/upload/{loop}"), "-T", "-", proxy=running.url, ca=ca, stdin=b"x" * 10**6)
    assert upload.status == 201
    assert curl("http://no-such-name.invalid/", proxy=running.url).status == 502
    cut = scripted_origin(lambda connection: connection.read_request() and connection.abort())
    assert curl(cut.url(), proxy=running.url).status == 502
    running.interrupt()
    assert running.wait() == 130
    assert running.err[0].startswith("regular proxy at ")
    assert no_traceback(running)


def test_ctrl_c_lets_an_exchange_end(dump, scripted_origin):
    release = threading.Event()

    def slow(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfirst")
        assert release.wait(20)
        connection.send(b"last!")
        connection.read_to_end()

    origin = scripted_origin(slow)
    running = dump()
    with RawClient(running.address) as client:
        client.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % origin.url().encode())
        client.read_until(b"first")
        running.interrupt()
        wait_until_refused(running.address)
        release.set()
        assert client.read_to_end() == b"last!"
    assert running.wait() == 130
    assert no_traceback(running)


def wait_until_refused(address):
    """Knock until nobody opens; each attempt is answered at once."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(address):
                return


def test_ctrl_c_breaks_off_what_does_not_end(dump, scripted_origin, curl):
    origin = scripted_origin(lambda connection: connection.read_to_end())
    running = dump()
    with RawClient(running.address) as client:
        client.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % origin.url().encode())
        (connection,) = origin.wait_for_connections(1)
        running.interrupt()
        assert running.wait() == 130
        assert connection.over.wait(20)
    assert no_traceback(running)


def test_ctrl_c_does_not_wait_for_idle_clients(dump, nginx_origin, ca):
    """Clients with nothing under way are let go one by one, not all cut off when patience ends."""
    running = dump()
    address = running.address
    with (
        RawClient(address) as silent,
        RawClient(address) as done,
        RawClient(address) as tunnel,
        RawClient(address) as inside,
    ):
        done.send(f"GET {nginx_origin.http('/small')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert done.read_response().endswith(SMALL)
        for each in (tunnel, inside):
            each.send(f"CONNECT localhost:{nginx_origin.https_port} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert each.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 200")
        context = ssl.create_default_context(cafile=ca)
        with context.wrap_socket(inside.transport, server_hostname="localhost") as secure:
            secure.sendall(b"GET /small HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert secure.recv(10_000)
            running.interrupt()
            for each in (silent, done, tunnel):
                assert each.read_to_end() == b""
            assert secure.recv(10_000) in {b"", SMALL}
        assert running.wait() == 130
    assert no_traceback(running)


def test_ctrl_c_twice_does_not_wait(dump, scripted_origin):
    origin = scripted_origin(lambda connection: connection.read_to_end())
    running = dump()
    with RawClient(running.address) as client:
        client.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % origin.url().encode())
        origin.wait_for_connections(1)
        running.interrupt()
        wait_until_refused(running.address)
        running.interrupt()
        assert running.wait() == 130


def test_a_taken_port(command, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = finished(command("dump", "-p", str(port), "--confdir", str(tmp_path)))
    assert (code, out) == (1, "")
    assert re.search(rf"127\.0\.0\.1:{port}.*in use", err)
    assert "-p" in err or "--listen-port" in err, "the message tells what to do"
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--no-such-flag"], "no-such-flag"),
        (["-p", "http"], "listen_port"),
        (["-p", "70000"], "65535"),
        (["--set", "strem_large_bodies=1m"], "stream_large_bodies"),
        (["--set", "stream_large_bodies=many"], "many"),
        (["-m", "reverse"], "reverse"),
        (["-p", "8123", "-m", "regular", "-m", "regular"], "8123"),
        (["~~d", "x"], "~~d"),
        (["-s", "no-such-script.py"], "no-such-script.py"),
        (["--listen-host", "0.0.0.0"], "--allow-open-proxy"),
    ],
)
def test_what_cannot_be_is_refused(command, arguments, hint):
    code, out, err = finished(command("dump", *(["-p", "0"] if "-p" not in arguments else []), *arguments))
    assert (code, out) == (2, "")
    assert hint in err
    assert "Traceback" not in err


def test_a_script_that_cannot_be_loaded(command, tmp_path):
    (tmp_path / "broken.py").write_text("def request(flow:\n")
    code, _, err = finished(command("dump", "-p", "0", "-s", str(tmp_path / "broken.py")))
    assert code == 2
    assert re.search(r"broken\.py.*line 1", err)


# Settings.


def test_settings_have_sources_and_an_order(command, tmp_path):
    (tmp_path / ".midstream").mkdir()
    (tmp_path / ".midstream" / "config.toml").write_text(
        'flow_detail = 2\nstream_large_bodies = "1m"\ntcp_timeout = 5\n'
    )
    running = command(
        "options",
        *("--json", "--set", "tcp_timeout=7", "flow_detail", "stream_large_bodies", "tcp_timeout"),
        MIDSTREAM_STREAM_LARGE_BODIES="2m",
    )
    code, out, _ = finished(running)
    assert code == 0
    found = {each["name"]: (each["value"], each["source"]) for each in json.loads(out)}
    assert found["flow_detail"][0] == 2
    assert "config.toml" in found["flow_detail"][1]
    assert found["stream_large_bodies"][0] == 2 << 20
    assert "MIDSTREAM_STREAM_LARGE_BODIES" in found["stream_large_bodies"][1]
    assert found["tcp_timeout"][0] == 7


def test_a_configuration_file_is_obeyed(command, tmp_path, nginx_origin, curl):
    (tmp_path / ".midstream").mkdir()
    (tmp_path / ".midstream" / "config.toml").write_text(
        'listen_port = 0\nproxyauth = "anna:secret"\nflow_detail = 0\n'
    )
    running = command("dump")
    assert curl(nginx_origin.http("/small"), proxy=running.url).status == 407
    assert curl(nginx_origin.http("/small"), "--proxy-user", "anna:secret", proxy=running.url).body == SMALL
    running.interrupt()
    assert running.wait() == 130
    assert running.out == []


def test_a_broken_configuration_file(command, tmp_path):
    (tmp_path / "config.toml").write_text("flow_detail = two\n")
    code, _, err = finished(command("dump", "--confdir", str(tmp_path)))
    assert code == 2
    assert "config.toml" in err
    assert "Traceback" not in err


def test_options_lists_everything(command):
    code, out, _ = finished(command("options"))
    assert code == 0
    assert "listen_port" in out
    assert "\x1b" not in out, "no colours in a pipe"


def test_no_color(command):
    code, _, err = finished(command("dump", "-p", "nonsense", NO_COLOR="1"))
    assert (code, "\x1b" in err) == (2, False)


def test_explain(command):
    code, out, _ = finished(command("explain", "example.com", "--ignore-hosts", r"example\.com"))
    assert code == 0
    assert "untouched" in out
    code, out, _ = finished(command("explain", "https://other.example:8443/x"))
    assert code == 0
    assert "other.example:8443" in out
    code, _, err = finished(command("explain", "host:port"))
    assert (code, "host:port" in err) == (2, True)


def test_help_and_version(command):
    for arguments in (["--help"], ["dump", "--help"], ["run", "--help"], ["options", "--help"]):
        code, out, _ = finished(command(*arguments))
        assert (code, "Usage: midstream" in out) == (0, True)
    code, out, _ = finished(command("--version"))
    build = "plain" if str(events.__file__).endswith(".py") else "compiled"
    assert (code, out.startswith("midstream "), f", {build}, " in out) == (0, True, True)


# Filters and scripts.


def test_a_filter_chooses_what_is_printed(dump, nginx_origin, curl):
    running = dump("--flow-detail", "1", "~c", "418")
    curl(nginx_origin.http("/small"), proxy=running.url)
    curl(nginx_origin.http("/teapot"), proxy=running.url)
    running.wait_for("/teapot")
    running.interrupt()
    assert running.wait() == 130
    assert not any("/small" in line for line in running.out)


def test_quiet(dump, nginx_origin, curl):
    running = dump("-q", "-p", str(port := free_port()))
    while curl(nginx_origin.http("/small"), proxy=f"http://127.0.0.1:{port}").body != SMALL:
        assert running.process.poll() is None
    running.interrupt()
    assert running.wait() == 130
    assert (running.out, running.err) == ([], [])


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# Running a command inside.


def in_proxy(command, confdir, authority, *inner, flags=()):
    trust = ("--confdir", str(confdir), "--set", f"ssl_verify_upstream_trusted_ca={authority.path}")
    return command("run", *trust, *flags, "--", *inner)


def test_run_leads_curl_through_the_proxy(command, confdir, authority, nginx_origin):
    urls = (nginx_origin.https("/small"), nginx_origin.http("/small"))
    running = in_proxy(command, confdir, authority, "curl", "-sS", *urls)
    code, out, err = finished(running)
    assert (code, out) == (0, "a small answer\na small answer")
    assert err.count("/small") == 2


def test_run_leads_python_through_the_proxy(command, confdir, authority, nginx_origin):
    program = (
        "import sys, urllib.request, requests\n"
        "print(urllib.request.urlopen(sys.argv[1]).read(), requests.get(sys.argv[1]).content)"
    )
    inner = (sys.executable, "-c", program, nginx_origin.https("/small"))
    code, out, _ = finished(in_proxy(command, confdir, authority, *inner))
    assert (code, out) == (0, f"{SMALL!r} {SMALL!r}")


def test_run_leaves_with_the_exit_code_of_the_command(command, confdir, authority):
    assert in_proxy(command, confdir, authority, "sh", "-c", "exit 9").wait() == 9
    assert in_proxy(command, confdir, authority, "sh", "-c", "kill -KILL $$").wait() == 137
    missing = in_proxy(command, confdir, authority, "no-such-command-here")
    assert (missing.wait(), "not found" in missing.err[-1]) == (127, True)


def test_run_passes_ctrl_c_on(command, confdir, authority):
    patient = (
        "import signal, sys\n"
        "try:\n  print('ready', flush=True)\n  signal.pause()\n"
        "except KeyboardInterrupt:\n  sys.exit(5)\n"
    )
    running = in_proxy(command, confdir, authority, sys.executable, "-c", patient)
    running.wait_for("^ready$")
    running.interrupt()
    assert running.wait() == 5
    assert no_traceback(running)


def test_run_with_a_password(command, confdir, authority, nginx_origin):
    flags = ("--proxyauth", "anna:se/cr@t")
    running = in_proxy(command, confdir, authority, "curl", "-sS", nginx_origin.https("/small"), flags=flags)
    assert finished(running)[:2] == (0, SMALL.decode().rstrip())


# Memory.


@pytest.fixture(scope="module")
def huge(nginx_origin):
    """The path of a document of 200 MB, of which the disk holds nothing."""
    path = nginx_origin.documents / "huge.bin"
    with path.open("wb") as file:
        file.truncate(HUGE_SIZE)
    yield "/huge.bin"
    path.unlink()


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_memory_does_not_grow_with_a_download(dump, nginx_origin, huge, curl, ca, scheme):
    running = dump()
    url = getattr(nginx_origin, scheme)
    assert curl(url("/small"), proxy=running.url, ca=ca).status == 200
    before = running.resident()
    answer = curl(url(huge), "-o", os.devnull, url(huge), proxy=running.url, ca=ca)
    assert answer.facts["size_download"] == HUGE_SIZE
    assert running.resident("VmHWM") - before < MEMORY_LIMIT


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_memory_does_not_grow_with_clients_that_do_not_read(dump, scripted_origin, loop):
    """The servers are held back: of what they would send, only what fits into buffers leaves them."""
    part = bytes(2**20)

    def pour(connection: ScriptedConnection) -> None:
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % HUGE_SIZE)
        connection.transport.settimeout(0.5)  # so long without progress is held back
        with contextlib.suppress(TimeoutError):
            for _ in range(HUGE_SIZE // len(part)):
                connection.send(part)
            pytest.fail("all of it left the server, though nobody reads")

    origin = scripted_origin(pour)
    running = dump("--set", f"event_loop={loop}")
    address, before = running.address, running.resident()
    with contextlib.ExitStack() as clients:
        for _ in range(16):
            client = clients.enter_context(RawClient(address))
            client.send(b"GET %s HTTP/1.1\r\nHost: x\r\n\r\n" % origin.url().encode())
        assert all(connection.over.wait(20) for connection in origin.wait_for_connections(16))
        assert running.resident("VmHWM") - before < MEMORY_LIMIT


def test_memory_does_not_grow_with_an_upload(dump, scripted_origin, curl, tmp_path):
    def count(connection: ScriptedConnection) -> None:
        left = HUGE_SIZE
        connection.read_until(b"\r\n\r\n")
        left -= len(connection.received) - connection.received.index(b"\r\n\r\n") - 4
        while left:
            left -= len(connection.transport.recv(262_144))
        connection.send(OK)

    with (tmp_path / "huge").open("wb") as file:
        file.truncate(HUGE_SIZE)
    origin = scripted_origin(count)
    running = dump()
    before = (running.url, running.resident())[1]
    answer = curl(origin.url(), "-X", "POST", "-T", str(tmp_path / "huge"), "-H", "Expect:", proxy=running.url)
    assert answer.body == b"ok"
    assert running.resident("VmHWM") - before < MEMORY_LIMIT
