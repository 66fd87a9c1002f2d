"""Asks clients for a password: the option `proxyauth`.

Clients that know us as a proxy are asked with 407 (RFC 9110 §11.7), those that take us for the server with 401, SOCKS5 clients
in SOCKS terms. Once is enough on a connection: what comes through its tunnel carries no credentials for us.

Credentials for us go no further, however often a client shows them: a proxy's field is ours as a whole, of the server's field only
what is one of our passwords, because the server may have some of its own.
"""

import asyncio
import hashlib
import os
from collections.abc import Coroutine
from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

from midstream.addon import Client, HTTPFlow, Options, Response, Socks5AuthData, observe
from midstream.addons import basic
from midstream.addons.mode import is_proxy_to, mode_name
from midstream.addons.passwords import Passwords, read_passwords

Later: TypeAlias = Coroutine[Any, Any, None]
Credentials: TypeAlias = tuple[str, str]

REALM = 'Basic realm="midstream", charset="UTF-8"'
REMEMBERED = 1000
"""So many passwords of a slow kind are not checked again."""


class ProxyAuth:
    """Lets nobody pass without the right password."""

    name = "proxyauth-guard"

    def __init__(self, passwords: Passwords) -> None:
        self._passwords = passwords
        self._users: WeakKeyDictionary[Client, str] = WeakKeyDictionary()
        """Connections that have shown the password, and whose it was."""
        self._salt = os.urandom(16)
        self._checked: dict[bytes, bool] = {}
        """Digests of what has been checked slowly, and whether it was right."""

    @classmethod
    def wanted(cls, options: Options) -> "ProxyAuth | None":
        """Return the addon that the options ask for; raises `OptionsError`."""
        return cls(read_passwords(options.proxyauth)) if options.proxyauth else None

    def http_connect(self, flow: HTTPFlow) -> Later | None:
        return self._guard(flow)

    @observe  # CONNECT has been decided on by then, so an unreachable server stays a reason to refuse it
    def requestheaders(self, flow: HTTPFlow) -> Later | None:
        return self._guard(flow)

    def socks5_auth(self, data: Socks5AuthData) -> Later | None:
        if self._is_known(data.username, data.password):
            self._let_in(data)
            return None
        return self._check_socks(data)

    async def _check_socks(self, data: Socks5AuthData) -> None:
        if await self._check(data.username, data.password):
            self._let_in(data)

    def _let_in(self, data: Socks5AuthData) -> None:
        data.valid = True
        self._users[data.client_conn] = data.username

    def _guard(self, flow: HTTPFlow) -> Later | None:
        """Answer the request if its client has not shown the password; what takes long is returned, to be awaited."""
        if flow.is_replay or flow.response is not None:
            return None
        field = "Proxy-Authorization" if is_proxy_to(flow.client_conn) else "Authorization"
        user = self._users.get(flow.client_conn)
        if user is not None:
            flow.metadata["proxyauth"] = user
            return self._take_out(flow) if field in flow.request.headers else None
        given = basic.decode(flow.request.headers.get(field, ""))
        if given is None:
            _refuse(flow)
        elif self._is_known(*given):
            self._accept(flow, field, given[0])
        elif self._passwords.is_slow:
            return self._guard_slowly(flow, field, *given)
        else:
            _refuse(flow)
        return None

    async def _guard_slowly(self, flow: HTTPFlow, field: str, user: str, password: str) -> None:
        if await self._check(user, password):
            self._accept(flow, field, user)
        else:
            _refuse(flow)

    def _accept(self, flow: HTTPFlow, field: str, user: str) -> None:
        self._users[flow.client_conn] = user
        flow.metadata["proxyauth"] = user
        del flow.request.headers[field]

    def _take_out(self, flow: HTTPFlow) -> Later | None:
        """Remove what a client shows though it need not any more; what takes long is returned, to be awaited."""
        headers = flow.request.headers
        if is_proxy_to(flow.client_conn):
            del headers["Proxy-Authorization"]
            return None
        if mode_name(flow.client_conn) == "socks5":
            return None  # we were shown the password in SOCKS terms: this one is the server's
        shown = {given for value in headers.get_all("Authorization") if (given := basic.decode(value))}
        if self._passwords.is_slow and any(self._digest(*given) not in self._checked for given in shown):
            return self._take_out_slowly(flow, shown)
        if right := {given for given in shown if self._is_known(*given)}:
            _take_out_right(flow, right)
        return None

    async def _take_out_slowly(self, flow: HTTPFlow, shown: set[Credentials]) -> None:
        _take_out_right(flow, {given for given in shown if await self._check(*given)})

    def _is_known(self, user: str, password: str) -> bool:
        """Check what can be checked at once."""
        if self._passwords.is_slow:
            return self._checked.get(self._digest(user, password), False)
        return self._passwords.accept(user, password)

    async def _check(self, user: str, password: str) -> bool:
        """Check in a thread, where a slow check belongs."""
        if not self._passwords.is_slow:
            return False
        is_right = await asyncio.to_thread(self._passwords.accept, user, password)
        if len(self._checked) >= REMEMBERED:
            self._checked.clear()
        self._checked[self._digest(user, password)] = is_right
        return is_right

    def _digest(self, user: str, password: str) -> bytes:
        text = f"{len(user)}:{user}{password}".encode("utf-8", "surrogateescape")
        return hashlib.blake2b(text, key=self._salt).digest()


def _take_out_right(flow: HTTPFlow, right: set[Credentials]) -> None:
    values = flow.request.headers.get_all("Authorization")
    flow.request.headers.set_all("Authorization", [value for value in values if basic.decode(value) not in right])


def _refuse(flow: HTTPFlow) -> None:
    if is_proxy_to(flow.client_conn):
        status, field = 407, "Proxy-Authenticate"
    else:
        status, field = 401, "WWW-Authenticate"
    flow.response = Response.make(
        status,
        "This proxy asks for a user name and a password.\n",
        {field: REALM, "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"},
    )
