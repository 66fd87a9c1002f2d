"""Shows the credentials of the option `upstream_auth` to the parent proxy, or to the server in reverse mode."""

from midstream.addon import HTTPFlow, Options, observe
from midstream.addons import basic
from midstream.addons.mode import mode_name


class UpstreamAuth:
    """Adds Basic credentials to what goes upstream."""

    name = "upstream-auth-sender"

    def __init__(self, value: str) -> None:
        self._value = value

    @classmethod
    def wanted(cls, options: Options) -> "UpstreamAuth | None":
        """Return the addon that the options ask for."""
        if not options.upstream_auth:
            return None
        user, _, password = options.upstream_auth.partition(":")
        return cls(basic.encode(user, password))

    @observe  # the same for all clients, so their tunnels may be shared
    def http_connect_upstream(self, flow: HTTPFlow) -> None:
        flow.request.headers["Proxy-Authorization"] = self._value

    @observe  # it never answers, so an unreachable server stays a reason to refuse CONNECT
    def requestheaders(self, flow: HTTPFlow) -> None:
        via = flow.server_conn.via
        if via is not None:
            if flow.request.scheme == "http" and via[0] in {"http", "https"}:
                flow.request.headers["Proxy-Authorization"] = self._value
        elif mode_name(flow.client_conn) == "reverse":
            flow.request.headers["Authorization"] = self._value
