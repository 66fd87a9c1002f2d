"""What to do about a fault that leaves a choice; where there is none, readers raise `PeerError` themselves."""

from midstream.wire.errors import Fault, PeerError, Profile


class Tolerance:
    """Collects the faults that were tolerated in the message being read."""

    __slots__ = ("faults", "profile")

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        self.faults: list[Fault] = []

    def repair(self, message: str, reference: str) -> None:
        """Note a fault that has one possible meaning; refused by STRICT only."""
        if self.profile is Profile.STRICT:
            raise PeerError(message, reference)
        self.faults.append(Fault(message, reference))

    def pass_raw(self, message: str, reference: str, *, status: int = 400) -> None:
        """Note a fault that receivers are known to disagree about; tolerated by RAW only."""
        if self.profile is not Profile.RAW:
            raise PeerError(message, reference, status=status)
        self.faults.append(Fault(message, reference))

    def take(self) -> tuple[Fault, ...]:
        """Hand out the faults found since the last call."""
        if not self.faults:
            return ()
        faults = tuple(self.faults)
        self.faults.clear()
        return faults
