"""Whether a text message is UTF-8, told while it comes (RFC 6455 §8.1)."""

import codecs
from typing import Final

_Decoder: Final = codecs.getincrementaldecoder("utf-8")


class TextCheck:
    """Follows one text message after the other; characters may be cut anywhere."""

    __slots__ = ("_decoder", "_is_bad")

    def __init__(self) -> None:
        self._decoder: codecs.IncrementalDecoder | None = None
        self._is_bad = False

    def finds_fault(self, data: bytes, *, is_last: bool) -> bool:
        """Take the next bytes; True once for a message that is not UTF-8, as soon as that is certain."""
        is_bad = self._is_bad
        if not is_bad and (self._decoder is not None or not data.isascii()):
            self._is_bad = not self._decode(data, is_last=is_last)
        found = self._is_bad and not is_bad
        if is_last:
            self._decoder = None
            self._is_bad = False
        return found

    def _decode(self, data: bytes, *, is_last: bool) -> bool:
        decoder = self._decoder
        if decoder is None:
            decoder = self._decoder = _Decoder()
        try:
            decoder.decode(data, is_last)
        except UnicodeDecodeError:
            return False
        if decoder.getstate() == (b"", 0):
            self._decoder = None
        return True


def is_utf8(data: bytes) -> bool:
    """Tell whether `data` is UTF-8 as a whole."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
