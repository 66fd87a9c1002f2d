"""What flows and connections have in common: a name that nothing else has."""

import uuid


class Identified:
    """Has an id."""

    _id: str = ""

    @property
    def id(self) -> str:
        """A unique name (uuid4), made when first asked for."""
        if not self._id:
            self._id = str(uuid.uuid4())
        return self._id

    @id.setter  # noqa: A003 - the name that addon authors know
    def id(self, value: str) -> None:
        self._id = value
