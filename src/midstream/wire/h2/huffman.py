"""The Huffman code of HPACK (RFC 7541 §5.2, appendix B), decoded a byte at a time.

The code is canonical: symbols sorted by length and value have consecutive codes, so the lengths say it all. Decoding walks
a machine whose states are the inner nodes of the code's tree; a row of it says for each byte what symbols it completes and which
state follows. Rows are made when a text first needs them: most of the 256 states are only met by odd texts.
"""

from typing import Final, TypeAlias

_LENGTHS: Final = bytes.fromhex(
    "0d171c1c1c1c1c1c1c181e1c1c1e1c1c1c1c1c1c1c1c1e1c1c1c1c1c1c1c1c1c060a0a0c0d06080b0a0a080b0806060605050506"
    "06060606060607080f060c0a0d06070707070707070707070707070707070707070707070807080d130d0e060f05060506050606"
    "060507070606060506070605050607070707070f0b0e0d1c14161414161616171617171717171817181816171817171717151617"
    "1617171816151416161717151716161815161717151516151716171714161616171616171a1a1413161716191a1a1a1b1b1a1819"
    "13151a1b1b1a1b1815151a1a1c1b1b1b14181415161515171616191918181a171a1b1a1a1b1b1b1b1b1c1b1b1b1b1b1a1e"
)
_EOS: Final = 256
_FAILED: Final = -1

Row: TypeAlias = list[tuple[bytes, int]]
"""For each byte the symbols it completes and the state after it."""


def _codes() -> list[str]:
    """Return the code of each symbol as a string of binary digits."""
    codes = [""] * len(_LENGTHS)
    code, before = -1, 0
    for length, symbol in sorted((length, symbol) for symbol, length in enumerate(_LENGTHS)):
        code = (code + 1) << (length - before)
        before = length
        codes[symbol] = f"{code:0{length}b}"
    return codes


_CODES: Final = _codes()


def _tree() -> list[list[int]]:
    """Return the inner nodes: where 0 and 1 lead, a symbol being written as its complement."""
    nodes = [[0, 0]]
    for symbol, code in enumerate(_CODES):
        at = 0
        for digit in map(int, code[:-1]):
            if not nodes[at][digit]:
                nodes[at][digit] = len(nodes)
                nodes.append([0, 0])
            at = nodes[at][digit]
        nodes[at][int(code[-1])] = ~symbol
    return nodes


_NODES: Final = _tree()


def _endings() -> frozenset[int]:
    """Return the states in which a text may end: up to seven bits of EOS have come (RFC 7541 §5.2)."""
    at, found = 0, [0]
    for _ in range(7):
        at = _NODES[at][1]
        found.append(at)
    return frozenset(found)


_ENDINGS: Final = _endings()


class _Rows(dict[int, Row]):
    def __missing__(self, state: int) -> Row:
        row = self[state] = [_walk(state, byte) for byte in range(256)]
        return row


def _walk(state: int, byte: int) -> tuple[bytes, int]:
    symbols = bytearray()
    for shift in range(7, -1, -1):
        state = _NODES[state][byte >> shift & 1]
        if state < 0:
            if ~state == _EOS:
                return b"", _FAILED
            symbols.append(~state)
            state = 0
    return bytes(symbols), state


_rows: Final = _Rows()


def decode(data: bytes) -> bytes | None:
    """Return the text that `data` encodes; None if it is no encoding (RFC 7541 §5.2)."""
    state = 0
    rows = _rows
    found: list[bytes] = []
    for byte in data:
        symbols, state = rows[state][byte]
        if symbols:
            found.append(symbols)
        elif state < 0:
            return None
    return b"".join(found) if state in _ENDINGS else None


def encode(text: bytes) -> bytes:
    """Return `text` encoded and padded to whole bytes."""
    if not text:
        return b""
    digits = "".join(map(_CODES.__getitem__, text))
    digits += "1" * (-len(digits) % 8)
    return int(digits, 2).to_bytes(len(digits) // 8, "big")
