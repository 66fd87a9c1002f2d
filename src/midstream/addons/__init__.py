"""The addons that come with the proxy: each written as anybody's addon is, with `midstream.addon` and nothing else of ours."""

from midstream.addon import Options


def default_addons() -> list[object]:
    """Return the addons that every engine has, to stand before scripts."""
    return []


def dump_addons(options: Options) -> list[object]:
    """Return what prints flows on the terminal; nothing where `flow_detail` is 0."""
    del options
    return []
