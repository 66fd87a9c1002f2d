"""The addons that come with the proxy: each written as anybody's addon is, with `midstream.addon` and nothing else of ours."""

from midstream.addon import Options
from midstream.addons.block import Block
from midstream.addons.crl import Revocations
from midstream.addons.dumper import Dumper
from midstream.addons.inject import Inject
from midstream.addons.onboarding import Onboarding
from midstream.addons.proxyauth import ProxyAuth
from midstream.addons.replay import Replay
from midstream.addons.reverse import Reverse
from midstream.addons.strip_https import StripHttps
from midstream.addons.switch import Switch
from midstream.addons.upstream_auth import UpstreamAuth


def default_addons() -> list[object]:
    """Return the addons that every engine has, to stand before scripts."""
    return [
        Switch("block", {"block_global", "block_private"}, Block.wanted),
        Switch("strip_https", {"mode", "strip_ech", "strip_http3"}, StripHttps.wanted),
        Switch("proxyauth", {"proxyauth"}, ProxyAuth.wanted),
        Switch("onboarding", {"onboarding", "onboarding_host"}, Onboarding.wanted),
        Revocations(),
        Switch("upstream_auth", {"upstream_auth"}, UpstreamAuth.wanted),
        Inject(),
        Replay(),
        Switch("reverse", {"mode", "keep_host_header", "keep_alt_svc_header"}, Reverse.wanted),
    ]


def dump_addons(options: Options) -> list[object]:  # noqa: ARG001 - others may depend on them
    """Return what prints flows on the terminal; it costs nothing while `flow_detail` is 0."""
    return [Dumper()]
