import base64
import hashlib
import sys
from types import SimpleNamespace

import pytest

from midstream.addon import OptionsError
from midstream.addons.passwords import read_passwords


def sha(password: str) -> str:
    return "{SHA}" + base64.b64encode(hashlib.sha1(password.encode()).digest()).decode()


@pytest.fixture
def htpasswd(tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "htpasswd"
        path.write_text(text)
        return f"@{path}"

    return write


@pytest.fixture
def bcrypt(monkeypatch):
    """A stand-in for the package, which is not ours and may not be installed."""
    calls = []

    def checkpw(password: bytes, stored: bytes) -> bool:
        calls.append(password)
        return stored == b"$2b$" + password

    monkeypatch.setitem(sys.modules, "bcrypt", SimpleNamespace(checkpw=checkpw))
    return calls


def test_one_user_whose_password_may_have_colons():
    passwords = read_passwords("me:a:b:")
    assert passwords.accept("me", "a:b:")
    assert not passwords.accept("me", "a:b")
    assert not passwords.accept("you", "a:b:")
    assert not passwords.accept("", "")
    assert not passwords.is_slow


def test_passwords_beyond_ascii():
    assert read_passwords("mé:pä\udcff").accept("mé", "pä\udcff")


def test_any_password_will_do():
    assert read_passwords("any").accept("x", "y")


@pytest.mark.parametrize("spec", ["me", ":secret", ""])
def test_what_is_no_credentials_is_refused(spec):
    with pytest.raises(OptionsError, match="expected USER:PASSWORD"):
        read_passwords(spec)


@pytest.mark.parametrize("spec", ["ldap:localhost:cn=a:b:dc=c", "ldaps:localhost:636:cn=a:b:dc=c"])
def test_ldap_is_not_there_yet(spec):
    with pytest.raises(OptionsError, match="LDAP is not there yet"):
        read_passwords(spec)


def test_a_user_may_be_called_ldap():
    assert read_passwords("ldap:x").accept("ldap", "x")


def test_md_10_sha_files(htpasswd):
    passwords = read_passwords(htpasswd(f"# users\n\nme:{sha('secret')}\nyou:{sha('other')}\n"))
    assert passwords.accept("me", "secret")
    assert passwords.accept("you", "other")
    assert not passwords.accept("me", "other")
    assert not passwords.accept("nobody", "secret")
    assert not passwords.is_slow


def test_md_10_bcrypt_files(htpasswd, bcrypt):
    passwords = read_passwords(htpasswd("me:$2b$secret\n"))
    assert passwords.is_slow
    assert passwords.accept("me", "secret")
    assert not passwords.accept("me", "wrong")
    assert not passwords.accept("nobody", "secret")
    assert bcrypt == [b"secret", b"wrong", b"secret"], "unknown users take as long as known ones"


def test_bcrypt_is_given_no_more_than_it_looks_at(htpasswd, bcrypt):
    read_passwords(htpasswd("me:$2y$x\n")).accept("me", "x" * 100)
    assert bcrypt == [b"x" * 72]


def test_md_10_bcrypt_without_its_package_is_explained(htpasswd, monkeypatch):
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    with pytest.raises(OptionsError, match=r"line 1: bcrypt needs the Python package bcrypt.*htpasswd -s"):
        read_passwords(htpasswd("me:$2a$10$abc\n"))


@pytest.mark.parametrize(
    ("stored", "kind"),
    [
        ("$apr1$x$y", r"apr1 \(MD5\)"),
        ("$5$x$y", "SHA-256 crypt"),
        ("$6$x$y", "SHA-512 crypt"),
        ("{SSHA}abc", "salted SHA"),
        ("rqXexS6ZhobKA", "plain text or DES crypt"),
    ],
)
def test_md_10_other_formats_are_named_with_those_that_are_supported(htpasswd, stored, kind):
    with pytest.raises(OptionsError, match=rf"line 2: {kind} is not supported; these are: bcrypt .* and {{SHA}}"):
        read_passwords(htpasswd(f"ok:{sha('x')}\nme:{stored}\n"))


@pytest.mark.parametrize("stored", ["{SHA}", "{SHA}!!!!", "{SHA}abcd"])
def test_broken_sha_lines_are_refused(htpasswd, stored):
    with pytest.raises(OptionsError, match="not followed by a SHA-1 digest"):
        read_passwords(htpasswd(f"me:{stored}\n"))


@pytest.mark.parametrize("text", ["me\n", ":x\n"])
def test_lines_that_are_none_are_refused(htpasswd, text):
    with pytest.raises(OptionsError, match="line 1: expected USER:HASH"):
        read_passwords(htpasswd(text))


def test_an_empty_file_is_refused(htpasswd):
    with pytest.raises(OptionsError, match="there is no user"):
        read_passwords(htpasswd("# nobody\n"))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(OptionsError, match="cannot read the htpasswd file"):
        read_passwords(f"@{tmp_path}/none")
