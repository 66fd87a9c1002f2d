"""What a client's mode means for its messages."""

from midstream.addon import Client


def mode_name(client: Client) -> str:
    """Return the name of the mode through which a client came: `regular`, `reverse`, …"""
    return client.proxy_mode.full_spec.partition("@")[0].partition(":")[0].strip().lower()


def is_proxy_to(client: Client) -> bool:
    """Tell whether the client knows us as its HTTP proxy; in other modes we pass for the server."""
    return mode_name(client) in {"regular", "upstream"}
