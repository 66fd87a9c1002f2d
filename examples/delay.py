"""Make the network slow: wait before each request goes on.

    midstream dump -s examples/delay.py --set delay_seconds=0.5

The hook is `async`, so only the request that it is about waits. A plain hook that calls `time.sleep` would stop every
connection; see `@concurrent` for libraries that can only block.
"""

import asyncio

from midstream.addon import HTTPFlow, Loader, ctx


def load(loader: Loader) -> None:
    loader.add_option("delay_seconds", float, 1.0, "Seconds by which each request is delayed.")


async def requestheaders(flow: HTTPFlow) -> None:
    await asyncio.sleep(ctx.options.delay_seconds)
