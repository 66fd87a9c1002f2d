"""`explain`: what would be done with a connection to a host, and which option decides it, without making one."""

from midstream.options import ModeSpec, Options
from midstream.proxy.policy import Action, Policy, authority_name
from midstream.proxy.target import ascii_host

SENTENCES = {
    Action.IGNORE: "relayed untouched: not decrypted, not recorded",
    Action.TCP: "TLS is opened, what is inside is relayed as raw TCP",
    Action.INTERCEPT: "TLS is opened and HTTP is read; anything else is relayed as raw TCP",
}


def explain(options: Options, host: str, port: int) -> list[str]:
    """Return lines that tell how each mode would treat a client that wants `host:port`.

    Raises:
        OptionsError: An option cannot be understood.

    """
    policy = Policy(options)
    name = authority_name(ascii_host(host.encode()), port)
    lines = []
    for text in options.mode:
        spec = ModeSpec.parse(text)
        lines.append(f"{spec.full_spec}:")
        lines += [f"  {line}" for line in _explain_mode(options, policy, spec, name)]
    return lines


def _explain_mode(options: Options, policy: Policy, spec: ModeSpec, name: str) -> list[str]:
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
    lines.append(f"{decision.action.value}: {decision.reason}")
    lines.append(SENTENCES[decision.action])
    if not decision.is_final and policy.needs_names:
        lines.append("the server name in TLS, the Host field and the address may yet match a list")
    if decision.action is not Action.IGNORE:
        verified = "not verified (ssl_insecure)" if options.ssl_insecure else "verified"
        lines.append(f"the server's certificate is {verified}")
        if decision.action is Action.INTERCEPT:
            lines.append(_bodies(options))
    return lines


def _bodies(options: Options) -> str:
    if options.stream_large_bodies:
        limit = f"bodies over {options.stream_large_bodies} bytes are never held back"
    else:
        limit = "bodies of any size may be held back"
    return f"bodies flow on as they come, unless an addon wants the whole; {limit}"
