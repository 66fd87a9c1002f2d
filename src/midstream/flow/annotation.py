"""A remark that the proxy leaves on a flow."""

import msgspec


class Annotation(msgspec.Struct, frozen=True):
    """A fault that was tolerated or repaired, and the rule it breaks."""

    message: str
    reference: str = ""
