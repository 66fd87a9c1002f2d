"""An addon for which bodies are held back."""


class Wants:
    """Listens for whole messages, and leaves them as they are."""

    def request(self, flow):
        pass

    def response(self, flow):
        pass
