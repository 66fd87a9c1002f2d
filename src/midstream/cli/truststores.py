"""The places on this machine where certificates are trusted, and putting the authority's into them.

A store is a file to place, commands to run, or both; `Machine` is all they know of the outside. Nothing here asks or prints.
"""

import glob
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence

import msgspec

from midstream.errors import UsageError

ALIAS = "midstream"
"""What the certificate is called wherever a store wants a name."""
Command = tuple[str, ...]

LINUX_LAYOUTS = (
    ("Debian, Ubuntu, Alpine", "usr/local/share/ca-certificates", "midstream-ca.crt", ("update-ca-certificates",)),
    ("Fedora, RHEL", "etc/pki/ca-trust/source/anchors", "midstream-ca.pem", ("update-ca-trust", "extract")),
    ("Arch", "etc/ca-certificates/trust-source/anchors", "midstream-ca.crt", ("update-ca-trust", "extract")),
    ("openSUSE", "etc/pki/trust/anchors", "midstream-ca.pem", ("update-ca-certificates",)),
)
"""Distributions, where they take certificates from, under which name, and what makes them notice."""
NSS_DATABASES = (
    ".pki/nssdb",
    ".local/share/pki/nssdb",
    "snap/chromium/current/.pki/nssdb",
    ".mozilla/firefox/*",
    ".thunderbird/*",
    "snap/firefox/common/.mozilla/firefox/*",
    ".var/app/org.mozilla.firefox/.mozilla/firefox/*",
    "Library/Application Support/Firefox/Profiles/*",
)
"""Where Chromium and Firefox keep their own, below the home directory."""
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "brave-browser", "microsoft-edge")


class StoreError(UsageError):
    """A store did not take the change; the message says why and what to do."""


class Output(msgspec.Struct):
    """What a command came to."""

    code: int
    text: str


def run_command(command: Sequence[str]) -> Output:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603 - tables above
    except (OSError, subprocess.TimeoutExpired) as error:
        return Output(1, str(error))
    return Output(done.returncode, done.stdout + done.stderr)


class Machine(msgspec.Struct):
    """What stores know of the machine; tests bring a directory and a recorder instead."""

    root: str = "/"
    home: str = msgspec.field(default_factory=lambda: os.path.expanduser("~"))
    platform: str = sys.platform
    run: Callable[[Sequence[str]], Output] = run_command
    which: Callable[[str], str | None] = shutil.which
    java_home: str = msgspec.field(default_factory=lambda: os.environ.get("JAVA_HOME", ""))


class Certificate(msgspec.Struct, frozen=True):
    """The certificate that is to be trusted."""

    path: str
    pem: bytes
    fingerprint: str
    """SHA-256, in hexadecimal with colons."""
    serial: str
    """In hexadecimal."""

    @property
    def evidence(self) -> str:
        """The base64 text of the certificate, by which it is recognised in a store's listing."""
        return _squeeze("".join(self.pem.decode().splitlines()[1:-1]))


class Store(msgspec.Struct, kw_only=True):
    """A place where certificates are trusted."""

    name: str
    kind: str
    """`system`, `browser` or `java`."""
    machine: Machine
    certificate: Certificate
    target: str = ""
    """The file to place, if there is one."""
    install_commands: tuple[Command, ...] = ()
    remove_commands: tuple[Command, ...] = ()
    list_command: Command = ()
    """Shows the certificate, where a file does not."""
    evidence: str = ""
    """What that command's output has to contain."""
    is_named: bool = False
    """The certificate goes by `ALIAS`, and an earlier one of that name has to go first."""

    def holds_it(self) -> bool:
        """Tell whether the store has exactly this certificate."""
        if self.target:
            return _read(self.target) == self.certificate.pem
        shown = self.machine.run(self.list_command)
        return shown.code == 0 and self.evidence in _squeeze(shown.text)

    def holds_any(self) -> bool:
        """Tell whether there is something to remove, be it this certificate or an earlier one under our name."""
        if self.target:
            return os.path.exists(self.target)
        return self.machine.run(self.list_command).code == 0 if self.is_named else self.holds_it()

    def install(self) -> None:
        """Put the certificate in.

        Raises:
            StoreError: the store did not take it.

        """
        if self.is_named:
            for command in self.remove_commands:
                self.machine.run(command)
        if self.target:
            self._change_file(lambda: _write(self.target, self.certificate.pem))
        self._run_all(self.install_commands)

    def remove(self) -> None:
        """Take the certificate out.

        Raises:
            StoreError: the store did not let it go.

        """
        if self.target:
            self._change_file(lambda: os.unlink(self.target))
        self._run_all(self.remove_commands)

    def _change_file(self, change: Callable[[], None]) -> None:
        try:
            change()
        except OSError as error:
            hint = " Run the command with sudo and --confdir." if isinstance(error, PermissionError) else ""
            raise StoreError(f"{self.name}: {error.strerror} ({self.target}).{hint}") from error

    def _run_all(self, commands: Sequence[Command]) -> None:
        for command in commands:
            done = self.machine.run(command)
            if done.code:
                reason = done.text.strip().splitlines()[-1:] or [f"exit code {done.code}"]
                raise StoreError(f"{self.name}: `{' '.join(command)}` failed: {reason[0]}")


def find_stores(machine: Machine, certificate: Certificate) -> list[Store]:
    """List the stores of this machine."""
    finders = (_linux, _macos, _windows, _nss, _java)
    return [store for finder in finders for store in finder(machine, certificate)]


def lacks_certutil(machine: Machine) -> bool:
    """Tell whether there are browser stores that we could only change with NSS's certutil."""
    return not machine.which("certutil") and bool(list(_nss_directories(machine)))


def _linux(machine: Machine, certificate: Certificate) -> Iterator[Store]:
    if not machine.platform.startswith("linux"):
        return
    for system, directory, name, command in LINUX_LAYOUTS:
        place = os.path.join(machine.root, directory)
        if os.path.isdir(place) and machine.which(command[0]):
            yield Store(
                name=f"system ({system})",
                kind="system",
                machine=machine,
                certificate=certificate,
                target=os.path.join(place, name),
                install_commands=(command,),
                remove_commands=(command,),
            )
            return


def _macos(machine: Machine, certificate: Certificate) -> Iterator[Store]:
    if machine.platform != "darwin":
        return
    keychain = "/Library/Keychains/System.keychain"
    yield Store(
        name="system (macOS keychain)",
        kind="system",
        machine=machine,
        certificate=certificate,
        install_commands=(
            ("sudo", "security", "add-trusted-cert", "-d", "-r", "trustRoot", "-k", keychain, certificate.path),
        ),
        remove_commands=(("sudo", "security", "remove-trusted-cert", "-d", certificate.path),),
        list_command=("security", "find-certificate", "-a", "-Z", keychain),
        evidence=certificate.fingerprint.replace(":", ""),
    )


def _windows(machine: Machine, certificate: Certificate) -> Iterator[Store]:
    if machine.platform != "win32":
        return
    yield Store(
        name="system (Windows, this user)",
        kind="system",
        machine=machine,
        certificate=certificate,
        install_commands=(("certutil.exe", "-user", "-addstore", "Root", certificate.path),),
        remove_commands=(("certutil.exe", "-user", "-delstore", "Root", certificate.serial),),
        list_command=("certutil.exe", "-user", "-store", "Root", certificate.serial),
    )


def _nss(machine: Machine, certificate: Certificate) -> Iterator[Store]:
    tool = machine.which("certutil")
    if tool is None or machine.platform == "win32":
        return
    for directory in _nss_directories(machine):
        database = ("-d", f"sql:{directory}")
        has_database = os.path.exists(os.path.join(directory, "cert9.db"))
        create = () if has_database else (("mkdir", "-p", directory), (tool, "-N", *database, "--empty-password"))
        yield Store(
            name=f"browser ({_shorten(directory, machine.home)})",
            kind="browser",
            machine=machine,
            certificate=certificate,
            install_commands=(*create, (tool, "-A", *database, "-t", "C,,", "-n", ALIAS, "-i", certificate.path)),
            remove_commands=((tool, "-D", *database, "-n", ALIAS),),
            list_command=(tool, "-L", *database, "-n", ALIAS, "-a"),
            evidence=certificate.evidence,
            is_named=True,
        )


def _nss_directories(machine: Machine) -> Iterator[str]:
    """List existing databases, and the one that a Chromium without one would look for."""
    patterns = (os.path.join(glob.escape(machine.home), pattern, "cert9.db") for pattern in NSS_DATABASES)
    found = [os.path.dirname(path) for pattern in patterns for path in sorted(glob.glob(pattern))]
    usual = os.path.join(machine.home, NSS_DATABASES[0])
    if usual not in found and any(machine.which(name) for name in CHROMIUMS):
        found.insert(0, usual)
    yield from found


def _java(machine: Machine, certificate: Certificate) -> Iterator[Store]:
    inside = os.path.join(machine.java_home, "bin", "keytool")
    tool = inside if machine.java_home and os.path.exists(inside) else machine.which("keytool")
    if tool is None:
        return
    where = ("-cacerts", "-storepass", "changeit", "-alias", ALIAS)
    yield Store(
        name="Java (cacerts)",
        kind="java",
        machine=machine,
        certificate=certificate,
        install_commands=((tool, "-importcert", "-noprompt", "-trustcacerts", *where, "-file", certificate.path),),
        remove_commands=((tool, "-delete", *where),),
        list_command=(tool, "-exportcert", "-rfc", *where),
        evidence=certificate.evidence,
        is_named=True,
    )


def _shorten(path: str, home: str) -> str:
    return "~" + path.removeprefix(home.rstrip("/")) if path.startswith(home) else path


def _squeeze(text: str) -> str:
    return "".join(text.split())


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return None


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
    os.chmod(path, 0o644)
