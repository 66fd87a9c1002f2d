import pytest
from click.testing import CliRunner

from midstream.cli.entry import call
from midstream.cli.trust import trust
from midstream.cli.truststores import Machine, Output
from midstream.pki import CertificateAuthority
from midstream.pki.pem import to_pem

DEBIAN = "usr/local/share/ca-certificates"


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A Debian machine in a directory, whose commands do nothing."""
    monkeypatch.setattr("midstream.pki.authority.platform.node", lambda: "laptop")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / DEBIAN).mkdir(parents=True)
    tools = {"update-ca-certificates": "/usr/sbin/update-ca-certificates"}
    return Machine(str(tmp_path), str(tmp_path), "linux", lambda _: Output(0, ""), tools.get, "")


@pytest.fixture
def confdir(tmp_path):
    return tmp_path / "conf"


@pytest.fixture
def run(machine, confdir):
    def run(*args, answer=None):
        return CliRunner().invoke(trust, ["--confdir", str(confdir), *args], obj=machine, input=answer)

    return run


def installed(machine):
    with open(f"{machine.root}/{DEBIAN}/midstream-ca.crt", "rb") as file:
        return file.read()


class TestShowing:
    def test_path_fingerprint_stores_and_instructions(self, run, confdir):
        shown = run()
        authority = CertificateAuthority.load_or_create(str(confdir))
        assert shown.exit_code == 0
        assert str(confdir / "midstream-ca-cert.pem") in shown.output
        assert authority.fingerprint in shown.output
        assert "CN=midstream CA laptop" in shown.output
        assert "not trusted  system (Debian" in shown.output
        for word in ("Firefox", "iOS", "Android", "Docker", "Python", "Node.js", "curl --cacert", "http://mid.st/"):
            assert word in shown.output

    def test_what_is_trusted(self, run):
        run("--install", "--yes")
        assert "  trusted      system (Debian" in run().output

    def test_machine_without_stores(self, run, machine):
        machine.which = {}.get
        assert "no store that we know" in run().output

    def test_browsers_without_certutil(self, run, tmp_path):
        (tmp_path / ".pki" / "nssdb").mkdir(parents=True)
        (tmp_path / ".pki" / "nssdb" / "cert9.db").touch()
        assert "install certutil" in run().output

    def test_warnings_of_the_authority(self, run, confdir):
        run()
        (confdir / "midstream-ca.pem").chmod(0o644)
        assert "Warning: Other users" in run().output

    def test_options_count(self, run, confdir):
        run("--set", "cert_passphrase=secret", "--set", "ca_key_type=rsa")
        assert b"ENCRYPTED" in (confdir / "midstream-ca.pem").read_bytes()
        authority = CertificateAuthority.load_or_create(str(confdir), passphrase="secret")
        assert authority.key.key_size == 2048


class TestChanging:
    def test_install_asks_and_does(self, run, machine, confdir):
        done = run("--install", answer="y\n")
        assert done.exit_code == 0
        assert "1 of 1 stores changed" in done.output
        assert installed(machine) == (confdir / "midstream-ca-cert.pem").read_bytes()

    @pytest.mark.parametrize("action", ["--install", "--renew"])
    def test_no_means_no(self, run, machine, confdir, action):
        run()
        before = (confdir / "midstream-ca.pem").read_bytes()
        done = run(action, answer="n\n")
        assert done.exit_code == 1
        assert "Nothing was changed." in done.output
        assert (confdir / "midstream-ca.pem").read_bytes() == before
        with pytest.raises(FileNotFoundError):
            installed(machine)

    def test_twice_is_nothing(self, run):
        run("--install", "--yes")
        done = run("--install", "--yes")
        assert done.exit_code == 0
        assert "nothing to install" in done.output

    def test_remove(self, run, machine):
        run("--install", "--yes")
        assert run("--remove", "--yes").exit_code == 0
        with pytest.raises(FileNotFoundError):
            installed(machine)
        assert "nothing to remove" in run("--remove").output

    def test_only_some_kinds(self, run):
        assert "nothing to install" in run("--install", "--yes", "--only", "browser", "--only", "java").output
        assert "1 of 1" in run("--install", "--yes", "--only", "system").output

    def test_failure_is_told_and_counted(self, run, machine):
        machine.run = lambda _: Output(1, "cannot")
        done = run("--install", "--yes")
        assert done.exit_code == 1
        assert "failed: cannot" in done.output
        assert "0 of 1 stores changed" in done.output

    def test_renew(self, run, machine, confdir):
        run("--install", "--yes")
        before = installed(machine)
        done = run("--renew", answer="y\n")
        assert done.exit_code == 0
        assert "not trusted  system" in done.output
        renewed = CertificateAuthority.load_or_create(str(confdir))
        assert to_pem(renewed.certificate) == (confdir / "midstream-ca-cert.pem").read_bytes() != before


def test_exit_codes_through_the_command_line(machine, confdir, tmp_path):
    assert call(["trust", "--confdir", str(confdir)]) == 0
    (confdir / "midstream-ca.pem").write_text("broken")
    assert call(["trust", "--confdir", str(confdir)]) == 2
    assert call(["trust", "--only", "nonsense"]) == 2
