"""DNS queries and what was answered."""

import copy
import random
import time
from typing import Any, ClassVar, Self

from midstream.flow import dnsnumbers as numbers
from midstream.flow.connection import Client, Server
from midstream.flow.dnsformat import RecordRow, Sections, read_message, write_message
from midstream.flow.dnsrecord import Question, ResourceRecord
from midstream.flow.flow import Flow

Records = list[ResourceRecord]
_SECTIONS = ("questions", "answers", "authorities", "additionals")


class DNSMessage:
    """A query or a response. One that nobody has changed is `packed` with the very bytes that came."""

    __slots__ = (
        "_origin",
        "additionals",
        "answers",
        "authoritative_answer",
        "authorities",
        "id",
        "op_code",
        "query",
        "questions",
        "recursion_available",
        "recursion_desired",
        "reserved",
        "response_code",
        "timestamp",
        "truncation",
    )

    def __init__(
        self,
        *,
        id: int,  # noqa: A002 - the name that addon authors know
        flags: int = 0,
        questions: list[Question] | None = None,
        answers: Records | None = None,
        authorities: Records | None = None,
        additionals: Records | None = None,
        timestamp: float | None = None,
    ) -> None:
        self.id = id
        self.query = not flags & 0x8000
        """True for a query, False for a response."""
        self.op_code = flags >> 11 & 15
        self.authoritative_answer = bool(flags & 0x0400)
        self.truncation = bool(flags & 0x0200)
        """There was more to say than had room."""
        self.recursion_desired = bool(flags & 0x0100)
        self.recursion_available = bool(flags & 0x0080)
        self.reserved = flags >> 4 & 7
        """Three bits, of which two mean something today: 2 authentic data, 1 checking disabled (RFC 4035 §3)."""
        self.response_code = flags & 15
        self.questions = [] if questions is None else questions
        self.answers = [] if answers is None else answers
        self.authorities = [] if authorities is None else authorities
        self.additionals = [] if additionals is None else additionals
        self.timestamp = time.time() if timestamp is None else timestamp
        self._origin: tuple[bytes, tuple[int, int, Sections]] | None = None
        """The bytes that came, and what they meant."""

    @classmethod
    def unpack(cls, data: bytes, timestamp: float | None = None) -> Self:
        """Read a message. Raises `DNSFormatError`, a ValueError."""
        rows = read_message(data)
        message_id, flags, (questions, *records) = rows
        message = cls(
            id=message_id,
            flags=flags,
            questions=[Question(*row) for row in questions],
            answers=_records(records[0]),
            authorities=_records(records[1]),
            additionals=_records(records[2]),
            timestamp=timestamp,
        )
        message._origin = (data, rows)
        return message

    @property
    def packed(self) -> bytes:
        """The message as bytes: those that came, or with names compressed. Raises `UsageError` if it cannot be written."""
        rows = self._rows()
        if self._origin is not None and self._origin[1] == rows:
            return self._origin[0]
        return write_message(*rows)

    content = packed

    @property
    def size(self) -> int:
        """How many bytes the message has."""
        return len(self.packed)

    @property
    def flags(self) -> int:
        """The second word of the header."""
        return (
            (not self.query) << 15
            | self.op_code << 11
            | self.authoritative_answer << 10
            | self.truncation << 9
            | self.recursion_desired << 8
            | self.recursion_available << 7
            | self.reserved << 4
            | self.response_code
        )

    @property
    def response_code_name(self) -> str:
        """The response code as people write it: `NOERROR`, `NXDOMAIN`."""
        return numbers.response_code_name(self.response_code)

    @property
    def question(self) -> Question | None:
        """The question, if there is just one: with several nobody knows what they would mean."""
        return self.questions[0] if len(self.questions) == 1 else None

    @property
    def udp_size(self) -> int:
        """How many bytes the sender takes in one datagram (RFC 6891 §6.2.3); 512 where it does not say."""
        sizes = [record.class_ for record in self.additionals if record.type == numbers.OPT]
        return max(512, *sizes) if sizes else 512

    def fail(self, response_code: int) -> "DNSMessage":
        """Make a response to this query that says what is wrong."""
        if not response_code or not self.query:
            raise ValueError("only a query can fail, and not with 0")
        return self._answer(response_code)

    def succeed(self, answers: Records) -> "DNSMessage":
        """Make a response to this query."""
        if not self.query:
            raise ValueError("only a query is answered")
        response = self._answer(0)
        response.answers = answers
        return response

    def _answer(self, response_code: int) -> "DNSMessage":
        flags = 0x8080 | self.op_code << 11 | self.recursion_desired << 8 | response_code
        return DNSMessage(id=self.id, flags=flags, questions=copy.deepcopy(self.questions))

    def __str__(self) -> str:
        """Return every question and record, one a line."""
        return "\n".join(str(part) for name in _SECTIONS for part in getattr(self, name))

    def __repr__(self) -> str:
        kind = "query" if self.query else self.response_code_name
        return f"<DNSMessage {kind} {', '.join(map(str, self.questions))}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DNSMessage) and self._rows() == other._rows()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def copy(self) -> "DNSMessage":
        """Make a copy with an id of its own."""
        twin = copy.deepcopy(self)
        twin.id = random.getrandbits(16)
        return twin

    def to_json(self) -> dict[str, Any]:
        """Return the message as plain data for people: types by name, data as in zone files."""
        return {
            "id": self.id,
            "query": self.query,
            "op_code": numbers.op_code_name(self.op_code),
            "authoritative_answer": self.authoritative_answer,
            "truncation": self.truncation,
            "recursion_desired": self.recursion_desired,
            "recursion_available": self.recursion_available,
            "response_code": self.response_code_name,
            **{name: [part.to_json() for part in getattr(self, name)] for name in _SECTIONS},
            "size": self.size,
            "timestamp": self.timestamp,
        }

    def get_state(self) -> tuple[bytes, float]:
        return self.packed, self.timestamp

    @classmethod
    def from_state(cls, state: tuple[bytes, float]) -> Self:
        return cls.unpack(*state)

    def _rows(self) -> tuple[int, int, Sections]:
        questions = [(each.name, each.type, each.class_) for each in self.questions]
        return self.id, self.flags, (questions, _rows(self.answers), _rows(self.authorities), _rows(self.additionals))


class DNSFlow(Flow):
    """One query and its response. Setting `response` in `dns_request` answers it here."""

    type: ClassVar[str] = "dns"

    request: DNSMessage
    response: DNSMessage | None = None
    transferred: int = 0
    """How many messages answered a zone transfer (AXFR, IXFR over TCP); 0 for all other queries."""

    def __init__(
        self, client_conn: Client, server_conn: Server, live: bool = False, request: DNSMessage | None = None
    ) -> None:
        super().__init__(client_conn, server_conn, live)
        self.request = DNSMessage(id=0) if request is None else request
        self.transfer: list[DNSMessage] = []
        """The messages of a zone transfer, `response` the first of them, as far as they fit in `body_memory`."""

    def __repr__(self) -> str:
        return f"<DNSFlow {self.request!r} {self.response!r}>"

    @property
    def timestamp_start(self) -> float:
        """When the query came."""
        return self.request.timestamp

    def _state(self) -> dict[str, Any]:
        response = None if self.response is None else self.response.get_state()
        return {
            **super()._state(),
            "request": self.request.get_state(),
            "response": response,
            "transfer": [message.get_state() for message in self.transfer],
            "transferred": self.transferred,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        super()._restore(state)
        self.request = DNSMessage.from_state(state["request"])
        response = state["response"]
        self.response = None if response is None else DNSMessage.from_state(response)
        self.transfer = [DNSMessage.from_state(each) for each in state.get("transfer", ())]
        self.transferred = state.get("transferred", 0)


def _records(rows: list[RecordRow]) -> Records:
    return [ResourceRecord(*row) for row in rows]


def _rows(records: Records) -> list[RecordRow]:
    return [(each.name, each.type, each.class_, each.ttl, each.data) for each in records]
