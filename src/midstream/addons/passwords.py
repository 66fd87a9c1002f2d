"""What the option `proxyauth` accepts: one password, any password, or those of an htpasswd file."""

import base64
import binascii
import hashlib
import hmac
import importlib
import os
from collections.abc import Callable
from typing import Any, Protocol

from midstream.addon import OptionsError

SUPPORTED = "bcrypt ($2a$, $2b$, $2y$; made by `htpasswd -B`) and {SHA} (made by `htpasswd -s`)"


class Passwords(Protocol):
    """Who may use the proxy."""

    is_slow: bool
    """Checking takes so long that it belongs into a thread."""

    def accept(self, user: str, password: str) -> bool:
        """Tell whether this is the right password."""


def read_passwords(spec: str) -> Passwords:
    """Return what a value of `proxyauth` means.

    Raises `OptionsError` that says what was expected.
    """
    if spec == "any":
        return AnyPassword()
    if spec.startswith("@"):
        return Htpasswd(os.path.expanduser(spec[1:]))
    if spec.startswith(("ldap:", "ldaps:")) and spec.count(":") > 3:
        raise OptionsError("proxyauth: LDAP is not there yet; use USER:PASSWORD or @PATH of an htpasswd file")
    user, colon, password = spec.partition(":")
    if not user or not colon:
        raise OptionsError('proxyauth: expected USER:PASSWORD, "any" or @PATH of an htpasswd file')
    return OnePassword(user, password)


class AnyPassword:
    """Lets everybody in who sends a password, so that flows show who it was."""

    is_slow = False

    def accept(self, user: str, password: str) -> bool:  # noqa: ARG002 - one of several `Passwords`
        return True


class OnePassword:
    """Lets one user in."""

    is_slow = False

    def __init__(self, user: str, password: str) -> None:
        self._user = _bytes(user)
        self._password = _bytes(password)

    def accept(self, user: str, password: str) -> bool:
        is_user = hmac.compare_digest(_bytes(user), self._user)
        is_password = hmac.compare_digest(_bytes(password), self._password)
        return is_user and is_password


class Htpasswd:
    """Lets the users of a file in that Apache's `htpasswd` made."""

    def __init__(self, path: str) -> None:
        self._checks: dict[str, tuple[Callable[[bytes, str], bool], str]] = {}
        for number, line in enumerate(_lines(path), 1):
            user, colon, stored = line.partition(":")
            if not line or line.startswith("#"):
                continue
            if not colon or not user:
                raise OptionsError(f"proxyauth: {path}, line {number}: expected USER:HASH")
            self._checks[user] = _check_for(stored, f"{path}, line {number}"), stored
        if not self._checks:
            raise OptionsError(f"proxyauth: there is no user in {path}")
        self.is_slow = any(stored.startswith("$2") for _, stored in self._checks.values())

    def accept(self, user: str, password: str) -> bool:
        """Tell whether this is the user's password; unknown users take as long as known ones."""
        check, stored = self._checks.get(user) or next(iter(self._checks.values()))
        return check(_bytes(password), stored) and user in self._checks


def _lines(path: str) -> list[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return [line.strip() for line in file]
    except (OSError, UnicodeDecodeError) as error:
        raise OptionsError(f"proxyauth: cannot read the htpasswd file {path}: {error}") from error


def _check_for(stored: str, where: str) -> Callable[[bytes, str], bool]:
    if stored.startswith(("$2a$", "$2b$", "$2y$")):
        return _bcrypt_check(where)
    if stored.startswith("{SHA}"):
        _sha_digest(stored, where)
        return _is_sha
    known = {"$apr1$": "apr1 (MD5)", "$5$": "SHA-256 crypt", "$6$": "SHA-512 crypt", "{SSHA}": "salted SHA"}
    kind = next((name for prefix, name in known.items() if stored.startswith(prefix)), "plain text or DES crypt")
    raise OptionsError(f"proxyauth: {where}: {kind} is not supported; these are: {SUPPORTED}")


def _bcrypt_check(where: str) -> Callable[[bytes, str], bool]:
    try:
        bcrypt: Any = importlib.import_module("bcrypt")
    except ImportError:
        raise OptionsError(
            f"proxyauth: {where}: bcrypt needs the Python package bcrypt; install it beside midstream "
            "(pip install bcrypt), or make the file with `htpasswd -s`"
        ) from None

    def check(password: bytes, stored: str) -> bool:
        return bool(bcrypt.checkpw(password[:72], stored.encode()))  # bcrypt itself looks at 72 bytes

    return check


def _is_sha(password: bytes, stored: str) -> bool:
    digest = hashlib.sha1(password).digest()  # noqa: S324 - what the format says
    return hmac.compare_digest(digest, base64.b64decode(stored[5:]))


def _sha_digest(stored: str, where: str) -> None:
    try:
        is_right = len(base64.b64decode(stored[5:], validate=True)) == 20
    except binascii.Error:
        is_right = False
    if not is_right:
        raise OptionsError(f"proxyauth: {where}: {{SHA}} is not followed by a SHA-1 digest in base64")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
