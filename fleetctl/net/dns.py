"""Writes DNS questions and reads answers (RFC 1035), with hard limits: whoever answers may be hostile."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

A, AAAA, CNAME = 1, 28, 5
"""Types of records."""

_HEADER = struct.Struct("!HHHHHH")  # id, flags, counts of questions, answers, authorities and additional records
_RECORD = struct.Struct("!HHIH")  # type, class, seconds to live, length of the data
_INTERNET = 1
_IS_ANSWER, _TRUNCATED, _RECURSION_DESIRED, _CODE = 0x8000, 0x0200, 0x0100, 0x000F
_CODES = {1: "FORMERR", 2: "SERVFAIL", 3: "NXDOMAIN", 4: "NOTIMP", 5: "REFUSED"}
_LONGEST_NAME, _LONGEST_LABEL = 255, 63
_MOST_JUMPS = 64
_MOST_RECORDS = 4096


class NotDns(ValueError):
    """Bytes that are no valid DNS message, or a name that cannot be asked for."""


@dataclass(frozen=True, slots=True)
class Answer:
    """`code` is NOERROR, NXDOMAIN, SERVFAIL …; `truncated`: it must be asked for again over TCP."""

    code: str
    addresses: tuple[str, ...] = ()
    truncated: bool = False


def write_question(identifier: int, name: str, kind: int) -> bytes:
    """A question for records of one type, to a server that asks on. Raises NotDns for a name DNS cannot carry."""
    question = b""
    for label in name.rstrip(".").split("."):
        try:
            encoded = label.encode("ascii")
        except UnicodeEncodeError:
            raise NotDns("the name is not ASCII") from None
        if not 0 < len(encoded) <= _LONGEST_LABEL:
            raise NotDns(f"a label must have 1 to {_LONGEST_LABEL} bytes")
        question += bytes([len(encoded)]) + encoded
    question += b"\0"
    if len(question) > _LONGEST_NAME:
        raise NotDns(f"a name has at most {_LONGEST_NAME} bytes")
    return _HEADER.pack(identifier, _RECURSION_DESIRED, 1, 0, 0, 0) + question + struct.pack("!HH", kind, _INTERNET)


def read_answer(message: bytes, question: bytes) -> Answer | None:
    """The addresses in the answer to `question`; None when it answers something else.

    Addresses of whatever name the chain of aliases ends in are taken, as resolvers do. Raises NotDns when the
    bytes are malformed.
    """
    try:
        return _read_answer(message, question)
    except (struct.error, IndexError):
        raise NotDns("the answer ends too early") from None


def _read_answer(message: bytes, question: bytes) -> Answer | None:
    identifier, flags, questions, records, _, _ = _HEADER.unpack_from(message)
    (asked,) = struct.unpack_from("!H", question)
    if identifier != asked or not flags & _IS_ANSWER:
        return None
    code = _CODES.get(flags & _CODE, "NOERROR" if not flags & _CODE else f"RCODE{flags & _CODE}")
    body = question[_HEADER.size :]
    # A server that cannot read the question may leave it out; every other repeats it.
    if questions == 0 and code != "NOERROR":
        return Answer(code)
    end = _HEADER.size + len(body)
    if questions != 1 or message[_HEADER.size : end].lower() != body.lower():
        return None
    if flags & _TRUNCATED:
        return Answer(code, truncated=True)
    return Answer(code, _addresses(message, end, min(records, _MOST_RECORDS), wanted=body))


def _addresses(message: bytes, offset: int, records: int, *, wanted: bytes) -> tuple[str, ...]:
    kind_wanted, _ = struct.unpack("!HH", wanted[-4:])
    owner, _ = read_name(wanted, 0)
    found: list[str] = []
    for _ in range(records):
        name, offset = read_name(message, offset)
        kind, internet, _, length = _RECORD.unpack_from(message, offset)
        offset += _RECORD.size
        data = message[offset : offset + length]
        if len(data) != length:
            raise NotDns("a record is longer than the answer")
        if internet == _INTERNET and name == owner:
            if kind == CNAME:
                owner, _ = read_name(message, offset)
            elif kind == kind_wanted:
                found.append(_address(kind, data))
        offset += length
    return tuple(dict.fromkeys(found))


def _address(kind: int, data: bytes) -> str:
    if len(data) != (4 if kind == A else 16):
        raise NotDns("an address has the wrong length")
    return str(IPv4Address(data) if kind == A else IPv6Address(data))


def read_name(message: bytes, offset: int) -> tuple[bytes, int]:
    """The name at `offset` in lower case, labels joined by dots, and the offset behind it.

    A pointer may only lead backwards and not for ever: else an answer could keep us going in circles.
    """
    labels: list[bytes] = []
    behind: int | None = None
    size = 0
    for _ in range(_MOST_JUMPS + _LONGEST_NAME):
        length = message[offset]
        if length & 0xC0 == 0xC0:
            target = (length & 0x3F) << 8 | message[offset + 1]
            behind = behind or offset + 2
            if target >= offset:
                raise NotDns("a name points forwards")
            offset = target
        elif length & 0xC0:
            raise NotDns("a label of an unknown kind")
        elif length == 0:
            return b".".join(labels).lower(), behind or offset + 1
        else:
            labels.append(message[offset + 1 : offset + 1 + length])
            offset += 1 + length
            size += 1 + length
            if size > _LONGEST_NAME:
                raise NotDns("a name is too long")
    raise NotDns("a name has too many pointers")
