"""Stores in a directory that plays the machine, with recorded commands; NSS databases with the real certutil, too."""

import os
import shutil
import stat

import pytest
from cryptography.hazmat.primitives import hashes

from midstream.cli.truststores import (
    ALIAS,
    LINUX_LAYOUTS,
    Certificate,
    Machine,
    Output,
    StoreError,
    find_stores,
    lacks_certutil,
    run_command,
)
from midstream.pki import CertificateAuthority


def certificate_in(directory):
    authority = CertificateAuthority.create()
    path = directory / "midstream-ca-cert.pem"
    path.write_bytes(authority.download("pem"))
    return Certificate(str(path), authority.download("pem"), authority.fingerprint, "abc123")


@pytest.fixture
def certificate(tmp_path):
    return certificate_in(tmp_path)


class Recorder:
    """Runs nothing, remembers what it was to run, and answers as told."""

    def __init__(self, *answers, code=0, text=""):
        self.commands = []
        self.answers = list(answers)
        self.default = Output(code, text)

    def __call__(self, command):
        self.commands.append(tuple(command))
        return self.answers.pop(0) if self.answers else self.default


def machine_in(tmp_path, platform="linux", tools=(), run=None, **more):
    tools = {name: f"/usr/bin/{name}" for name in tools}
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    run = run or Recorder()
    return Machine(str(tmp_path), str(home), platform, run, tools.get, **{"java_home": "", **more})


def only(stores):
    (store,) = stores
    return store


class TestLinux:
    @pytest.mark.parametrize(("system", "directory", "name", "command"), LINUX_LAYOUTS)
    def test_layouts(self, tmp_path, certificate, system, directory, name, command):
        place = tmp_path / directory
        place.mkdir(parents=True)
        machine = machine_in(tmp_path, tools=command[:1])
        store = only(find_stores(machine, certificate))
        assert system in store.name
        assert not store.holds_it()
        assert not store.holds_any()
        store.install()
        assert store.holds_it()
        assert store.holds_any()
        assert (place / name).read_bytes() == certificate.pem
        assert stat.S_IMODE((place / name).stat().st_mode) == 0o644
        assert machine.run.commands == [command]
        store.remove()
        assert not (place / name).exists()
        assert machine.run.commands == [command, command]

    def test_needs_both_directory_and_command(self, tmp_path, certificate):
        assert find_stores(machine_in(tmp_path, tools=["update-ca-certificates"]), certificate) == []
        (tmp_path / LINUX_LAYOUTS[0][1]).mkdir(parents=True)
        assert find_stores(machine_in(tmp_path), certificate) == []

    def test_an_earlier_certificate_is_something_to_remove(self, tmp_path, certificate):
        place = tmp_path / LINUX_LAYOUTS[0][1]
        place.mkdir(parents=True)
        (place / "midstream-ca.crt").write_text("earlier")
        store = only(find_stores(machine_in(tmp_path, tools=["update-ca-certificates"]), certificate))
        assert not store.holds_it()
        assert store.holds_any()

    def test_without_rights_says_what_to_do(self, tmp_path, certificate, monkeypatch):
        place = tmp_path / LINUX_LAYOUTS[0][1]
        place.mkdir(parents=True)
        machine = machine_in(tmp_path, tools=["update-ca-certificates"])
        store = only(find_stores(machine, certificate))

        def refuse(*_args):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("midstream.cli.truststores._write", refuse)
        with pytest.raises(StoreError, match=r"Permission denied \(.*\)\. Run the command with sudo"):
            store.install()
        assert machine.run.commands == []

    def test_other_faults_of_files(self, tmp_path, certificate):
        (tmp_path / LINUX_LAYOUTS[0][1]).mkdir(parents=True)
        store = only(find_stores(machine_in(tmp_path, tools=["update-ca-certificates"]), certificate))
        with pytest.raises(StoreError, match=r"No such file or directory \(.*midstream-ca\.crt\)\.$"):
            store.remove()

    @pytest.mark.parametrize(("text", "reason"), [("first\nlast line\n", "last line"), ("", "exit code 3")])
    def test_failing_command(self, tmp_path, certificate, text, reason):
        (tmp_path / LINUX_LAYOUTS[0][1]).mkdir(parents=True)
        machine = machine_in(tmp_path, tools=["update-ca-certificates"], run=Recorder(code=3, text=text))
        with pytest.raises(StoreError, match=f"`update-ca-certificates` failed: {reason}"):
            only(find_stores(machine, certificate)).install()


class TestMacOS:
    def test_commands(self, tmp_path, certificate):
        machine = machine_in(tmp_path, "darwin")
        store = only(find_stores(machine, certificate))
        store.install()
        store.remove()
        added, removed = machine.run.commands
        assert added[:3] == ("sudo", "security", "add-trusted-cert")
        assert added[-1] == removed[-1] == certificate.path
        assert removed[:3] == ("sudo", "security", "remove-trusted-cert")

    def test_is_found_by_its_fingerprint(self, tmp_path, certificate):
        listing = f"SHA-256 hash: {certificate.fingerprint.replace(':', '')}\nkeychain: x"
        assert only(find_stores(machine_in(tmp_path, "darwin", run=Recorder(text=listing)), certificate)).holds_any()
        assert not only(
            find_stores(machine_in(tmp_path, "darwin", run=Recorder(text="other")), certificate)
        ).holds_any()


class TestWindows:
    def test_commands(self, tmp_path, certificate):
        machine = machine_in(tmp_path, "win32", tools=["certutil"])
        store = only(find_stores(machine, certificate))
        store.install()
        assert store.holds_it()
        store.remove()
        assert machine.run.commands == [
            ("certutil.exe", "-user", "-addstore", "Root", certificate.path),
            ("certutil.exe", "-user", "-store", "Root", "abc123"),
            ("certutil.exe", "-user", "-delstore", "Root", "abc123"),
        ]


class TestBrowsers:
    def database(self, tmp_path, place):
        directory = tmp_path / "home" / place
        directory.mkdir(parents=True)
        (directory / "cert9.db").touch()
        return directory

    def test_all_databases_are_found(self, tmp_path, certificate):
        places = [".pki/nssdb", ".mozilla/firefox/a.default", ".mozilla/firefox/b.default", ".thunderbird/c.default"]
        for place in places:
            self.database(tmp_path, place)
        stores = find_stores(machine_in(tmp_path, tools=["certutil"]), certificate)
        assert [store.name for store in stores] == [f"browser (~/{place})" for place in places]

    def test_a_database_is_made_for_a_chromium_without_one(self, tmp_path, certificate):
        machine = machine_in(tmp_path, tools=["certutil", "chromium"])
        store = only(find_stores(machine, certificate))
        store.install()
        directory = str(tmp_path / "home" / ".pki" / "nssdb")
        assert ("mkdir", "-p", directory) in machine.run.commands
        assert ("/usr/bin/certutil", "-N", "-d", f"sql:{directory}", "--empty-password") in machine.run.commands
        assert machine.run.commands[-1][1] == "-A"

    def test_no_browser_no_store(self, tmp_path, certificate):
        assert find_stores(machine_in(tmp_path, tools=["certutil"]), certificate) == []

    def test_databases_without_certutil(self, tmp_path, certificate):
        machine = machine_in(tmp_path)
        assert not lacks_certutil(machine)
        self.database(tmp_path, ".pki/nssdb")
        assert find_stores(machine, certificate) == []
        assert lacks_certutil(machine)
        assert not lacks_certutil(machine_in(tmp_path, tools=["certutil"]))

    def test_with_the_real_certutil(self, tmp_path):
        tool = shutil.which("certutil")
        assert tool, "install libnss3-tools (nss-tools) for this test"
        home = tmp_path / "home"
        home.mkdir()
        found = {"certutil": tool, "chromium": "/usr/bin/chromium"}
        machine = Machine(str(tmp_path), str(home), "linux", run_command, found.get, "")
        store = only(find_stores(machine, certificate_in(tmp_path)))
        assert not store.holds_any()
        store.install()
        assert store.holds_it()
        trusted = run_command((tool, "-V", "-d", f"sql:{home}/.pki/nssdb", "-n", ALIAS, "-u", "L"))
        assert "is valid" in trusted.text
        other = only(find_stores(machine, certificate_in(tmp_path)))
        assert not other.holds_it()
        assert other.holds_any()
        other.install()
        assert other.holds_it()
        other.remove()
        assert not other.holds_any()
        with pytest.raises(StoreError, match=r"browser \(~/\.pki/nssdb\): .* failed"):
            other.remove()


class TestJava:
    def test_commands(self, tmp_path, certificate):
        listing = certificate.pem.decode().replace("\n", "\r\n")
        machine = machine_in(tmp_path, tools=["keytool"], run=Recorder(text=listing))
        store = only(find_stores(machine, certificate))
        assert store.holds_it()
        store.install()
        assert [command[1] for command in machine.run.commands] == ["-exportcert", "-delete", "-importcert"]

    def test_java_home_comes_first(self, tmp_path, certificate):
        tool = tmp_path / "jdk" / "bin" / "keytool"
        tool.parent.mkdir(parents=True)
        tool.touch()
        machine = machine_in(tmp_path, tools=["keytool"], java_home=str(tmp_path / "jdk"))
        only(find_stores(machine, certificate)).remove()
        assert machine.run.commands[0][0] == str(tool)

    def test_java_home_without_keytool(self, tmp_path, certificate):
        machine = machine_in(tmp_path, tools=["keytool"], java_home=str(tmp_path))
        only(find_stores(machine, certificate)).remove()
        assert machine.run.commands[0][0] == "/usr/bin/keytool"


def test_run_command():
    assert run_command(("sh", "-c", "echo out; echo err >&2; exit 3")) == Output(3, "out\nerr\n")
    missing = run_command(("/nonexistent/command",))
    assert missing.code == 1
    assert "No such file" in missing.text


def test_machine_as_it_is(monkeypatch):
    monkeypatch.setenv("JAVA_HOME", "/opt/jdk")
    machine = Machine()
    assert (machine.root, machine.home, machine.java_home) == ("/", os.path.expanduser("~"), "/opt/jdk")


def test_directories_elsewhere_are_shown_whole(tmp_path, certificate):
    machine = machine_in(tmp_path, tools=["certutil", "chromium"])
    machine.home = str(tmp_path / "home") + "/"
    assert only(find_stores(machine, certificate)).name == "browser (~/.pki/nssdb)"


def test_fingerprint_is_sha_256(certificate):
    assert len(certificate.fingerprint.split(":")) == hashes.SHA256().digest_size
