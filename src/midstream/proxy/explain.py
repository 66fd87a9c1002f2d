"""`explain`: what would be done with a connection to a host, and which option decides it, without making one."""

from midstream.errors import UsageError
from midstream.options import ModeSpec, Options
from midstream.options.modes import DATAGRAM_SCHEMES
from midstream.proxy.policy import Action, Policy, authority_name
from midstream.proxy.target import ascii_host
from midstream.wire.errors import PeerError

EXPLICIT = frozenset({"regular", "upstream"})
"""Modes in which clients ask the proxy itself: for `http://` URLs directly, for all else through CONNECT."""


def explain(options: Options, host: str, port: int) -> list[str]:
    """Return lines that tell how each mode would treat a client that wants `host:port`.

    Raises:
        OptionsError: An option cannot be understood.
        UsageError: `host` is no name.

    """
    policy = Policy(options)
    try:
        name = authority_name(ascii_host(host.encode("utf-8", "surrogateescape")), port)
    except PeerError as error:
        raise UsageError(str(error)) from error
    lines = []
    for text in options.mode:
        spec = ModeSpec.parse(text)
        lines.append(f"{spec.full_spec}:")
        lines += [f"  {line}" for line in _explain_mode(options, policy, spec, name)]
    return lines


def _explain_mode(options: Options, policy: Policy, spec: ModeSpec, name: str) -> list[str]:
    if spec.scheme in DATAGRAM_SCHEMES:
        return _explain_datagrams(options, policy, spec)
    if spec.is_dns:
        return _explain_queries(options, spec)
    if spec.name == "reverse":
        assert spec.address is not None
        name = authority_name(*spec.address)
        lines = [f"every client is led to {spec.scheme}://{name}, whatever it asks for"]
    elif spec.name == "upstream":
        assert spec.address is not None
        lines = [f"{name} is reached through the parent proxy {spec.scheme}://{authority_name(*spec.address)}"]
    else:
        lines = [f"{name} is connected to directly"]
    decision = policy.decide([name])
    is_raw = spec.scheme in {"tcp", "tls"}
    action = Action.TCP if is_raw and decision.action is Action.INTERCEPT else decision.action
    reason = f"the mode is for {spec.scheme}" if action is not decision.action else decision.reason
    treated = f"{_treatment(action, options, spec)}: {reason}"
    if spec.name in EXPLICIT and action is not Action.INTERCEPT:
        lines.append(f"in a CONNECT tunnel: {treated}")
        lines.append("http:// URLs: read, because the lists do not count for requests made to the proxy itself")
    else:
        lines.append(treated)
    if not decision.is_final and policy.needs_names:
        lines.append("the server name in TLS, the Host field and the address may yet match a list")
    if action is not Action.IGNORE and spec.scheme not in {"http", "tcp"}:
        lines.append(_verification(options))
    if action is Action.INTERCEPT:
        lines.append(_bodies(options))
    return lines


def _explain_datagrams(options: Options, policy: Policy, spec: ModeSpec) -> list[str]:
    assert spec.address is not None
    name = authority_name(*spec.address)
    lines = [f"every datagram is relayed to {spec.scheme}://{name}"]
    decision = policy.decide([name])
    if decision.action is Action.IGNORE:
        lines.append(f"{_treatment(decision.action, options, spec)}: {decision.reason}")
    elif spec.scheme == "dtls":
        lines += ["clients may speak DTLS, which is opened, or send datagrams as they are", _verification(options)]
    else:
        lines.append("a client's DTLS is opened, and what is inside goes to the server as it is")
    if not decision.is_final and policy.needs_names:
        lines.append("the server name in DTLS may yet match a list")
    return lines


def _verification(options: Options) -> str:
    verified = "not verified (ssl_insecure)" if options.ssl_insecure else "verified"
    return f"the server's certificate is {verified}"


def _explain_queries(options: Options, spec: ModeSpec) -> list[str]:
    if spec.address is not None:
        return [f"every query is passed on to {spec.scheme}://{authority_name(*spec.address)}"]
    hosts = ["the hosts file is looked at first (dns_use_hosts_file)"] if options.dns_use_hosts_file else []
    servers = ", ".join(options.dns_name_servers)
    asked = f"{servers} (dns_name_servers)" if servers else "the system's name servers, or the system where it has none"
    return ["addresses of names are told, connections are not seen", *hosts, f"asked: {asked}"]


def _treatment(action: Action, options: Options, spec: ModeSpec) -> str:
    if action is Action.IGNORE:
        recorded = "recorded as it is" if options.show_ignored_hosts else "not recorded"
        return f"relayed untouched, not decrypted, {recorded}"
    if action is Action.TCP:
        return "TLS is opened, and what is inside is relayed as raw TCP"
    if spec.name == "reverse":
        return "TLS is opened, and HTTP is read"
    rest = "relayed as raw TCP" if options.rawtcp else "closed (rawtcp is off)"
    return f"TLS is opened and HTTP is read, anything else is {rest}"


def _bodies(options: Options) -> str:
    if options.stream_large_bodies:
        limit = f"bodies over {options.stream_large_bodies} bytes are never held back"
    else:
        limit = "bodies of any size may be held back"
    return f"bodies flow on as they come, unless an addon wants the whole; {limit}"
