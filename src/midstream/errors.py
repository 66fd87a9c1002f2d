"""The root of errors that are ours or an addon's; a peer's faults are `midstream.wire.errors.PeerError`."""


class UsageError(Exception):
    """A user, an option or an addon asked for something impossible; the message says what to do instead."""


class OptionsError(UsageError):
    """An option's value was refused; the change that brought it is rolled back as a whole."""


class AddonHalt(Exception):  # noqa: N818 - the name that addon authors know
    """Raised by a hook to keep later addons from seeing this event."""
