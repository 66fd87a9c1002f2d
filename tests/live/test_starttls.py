"""TLS that begins inside a connection, with real clients and real servers: what they say inside is seen, and arrives."""

import json
import smtplib
import socket
import ssl
import subprocess

import pytest

from livekit.daemons import MailServer, PostgreSQL, redis
from livekit.tools import TIME_LIMIT, clean_environment, need

XMPP = b"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client'>"
FEATURES = b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>"
MYSQL = (
    b"\x4a\0\0\0\x0a8.0.36\0"
    + b"\1" * 12
    + b"\0\xff\xff\xff\2\0\xff\xdf\x15"
    + b"\0" * 10
    + b"\1" * 12
    + b"\0mysql_native_password\0"
)

CONVERSATIONS = {
    "smtp": ("SMTP", b"220 x\r\n", b"\r\n", b"250-x\r\n250 STARTTLS\r\n", b"\r\n", b"220 go\r\n"),
    "lmtp": ("SMTP", b"220 x\r\n", b"\r\n", b"250-x\r\n250 STARTTLS\r\n", b"\r\n", b"220 go\r\n"),
    "pop3": ("POP3", b"+OK\r\n", b"\r\n", b"+OK\r\n"),
    "imap": ("IMAP", b"* OK\r\n", b"\r\n", b"* CAPABILITY IMAP4rev1 STARTTLS\r\n. OK\r\n", b"\r\n", b". OK\r\n"),
    "ftp": ("FTP", b"220 x\r\n", b"\r\n", b"234 go\r\n"),
    "nntp": ("NNTP", b"200 x\r\n", b"\r\n", b"101 x\r\nSTARTTLS\r\n.\r\n", b"\r\n", b"382 go\r\n"),
    "sieve": ("ManageSieve", b'"STARTTLS"\r\nOK\r\n', b"\r\n", b"OK\r\n"),
    "irc": ("IRC", b"", b"STARTTLS\r\n", b":x 670 * :go\r\n"),
    "xmpp": ("XMPP", b"", b"version='1.0'>", XMPP + FEATURES, b"/>", b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
    "ldap": ("LDAP", b"", b"1.3.6.1.4.1.1466.20037", b"\x30\x0c\2\1\1\x78\7\x0a\1\0\4\0\4\0"),
    "postgres": ("PostgreSQL", b"", b"\x04\xd2\x16\x2f", b"S"),
    "mysql": ("MySQL", MYSQL, 36, b""),
    "telnet": ("TLS", b"\xff\xfd\x2e", b"\xff\xfb\x2e", b"", b"\xff\xf0", b"\xff\xfa\x2e\1\xff\xf0"),
}  # fmt: skip
"""What `openssl s_client -starttls` expects: the protocol's name with us, then what the server says, waits for, says, …"""


@pytest.fixture
def reads():
    """An addon that wants to see messages."""

    class Reads:
        def tcp_message(self, flow):
            pass

    return Reads()


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_what_openssl_speaks(proxy, scripted_origin, authority, reads, name):
    protocol, greeting, *turns = CONVERSATIONS[name]
    context = authority.issue("localhost").server_context()

    def serve(connection):
        connection.send(greeting)
        for awaited, answer in zip(turns[::2], turns[1::2], strict=True):
            if isinstance(awaited, int):  # TLS may be right behind, so not a byte more
                assert len(connection.transport.recv(awaited, socket.MSG_WAITALL)) == awaited
            else:
                connection.read_until(awaited)
            connection.send(answer)
        with context.wrap_socket(connection.transport, server_side=True) as tls:
            tls.sendall(b"you said " + tls.recv(100))
            tls.unwrap()

    running = proxy(f"reverse:tcp://localhost:{scripted_origin(serve).port}", addons=(reads,))
    client = ["s_client", "-starttls", name, "-connect", f"127.0.0.1:{running.port}", "-servername", "localhost"]
    checks = ["-CAfile", str(running.ca), "-verify_return_error", "-quiet"]
    done = subprocess.run(
        [need("openssl", "openssl"), *client, *checks],
        input=b"hello\n",
        capture_output=True,
        timeout=TIME_LIMIT,
        check=False,
    )
    assert done.stdout.endswith(b"you said hello\n"), done.stderr
    (flow,) = running.recorder.wait_for_tcp_flows()
    assert flow.starttls == protocol
    assert [message.content for message in flow.messages][-2:] == [b"hello\n", b"you said hello\n"]


def test_mail(proxy, authority, stack, reads):
    server = MailServer(authority.issue("localhost", "127.0.0.1"))
    stack.callback(server.stop)
    running = proxy(f"reverse:tcp://localhost:{server.port}", addons=(reads,))
    with smtplib.SMTP("localhost", running.port, timeout=TIME_LIMIT) as client:
        client.starttls(context=ssl.create_default_context(cafile=running.ca))
        client.sendmail("me@a.example", ["you@b.example"], "Subject: secret\r\n\r\nhello\r\n")
    assert server.mails == [b"Subject: secret\r\n\r\nhello\r\n"]
    (flow,) = running.recorder.wait_for_tcp_flows()
    assert (flow.starttls, flow.error) == ("SMTP", None)
    assert any(b"Subject: secret" in message.content for message in flow.messages)


def test_postgresql(proxy, authority, stack, reads, tmp_path):
    server = PostgreSQL(authority.issue("localhost"))
    stack.callback(server.stop)
    running = proxy(f"reverse:tcp://localhost:{server.port}", addons=(reads,))
    where = f"host=localhost port={running.port} user=me dbname=postgres sslmode=verify-full sslrootcert={running.ca}"
    environment = clean_environment(HOME=str(tmp_path))
    done = subprocess.run(
        [need("psql", "postgresql-client"), where, "-Atc", "select 6 * 7, ssl from pg_stat_ssl where pid = pg_backend_pid()"],
        env=environment,
        capture_output=True,
        timeout=TIME_LIMIT,
        check=False,
    )  # fmt: skip
    assert done.stdout == b"42|t\n", done.stderr
    (flow,) = running.recorder.wait_for_tcp_flows()
    assert (flow.starttls, flow.error) == ("PostgreSQL", None)
    assert any(b"select 6 * 7" in message.content for message in flow.messages)


def test_redis_over_tls(proxy, authority, stack, tmp_path):
    class Edit:
        def tcp_message(self, flow):
            message = flow.messages[-1]
            message.content = message.content.replace(b"hello", b"HELLO")

    server = redis(tmp_path, authority.issue("localhost"))
    stack.callback(server.stop)
    running = proxy(f"reverse:tls://localhost:{server.port}", addons=(Edit(),), tcp_hosts=["localhost"])
    client = [need("redis-cli", "redis-tools"), "-h", "127.0.0.1", "-p", str(running.port), "--json"]
    secured = [*client, "--tls", "--sni", "localhost", "--cacert", str(running.ca)]
    subprocess.run([*secured, "set", "word", "hello"], check=True, capture_output=True, timeout=TIME_LIMIT)
    done = subprocess.run([*secured, "get", "word"], check=True, capture_output=True, timeout=TIME_LIMIT)
    assert json.loads(done.stdout) == "HELLO"
    flow = running.recorder.wait_for_tcp_flows(2)[1]
    assert flow.client_conn.tls_established
    assert flow.server_conn.tls_established
    assert flow.starttls == ""
