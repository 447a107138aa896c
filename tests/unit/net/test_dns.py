"""Answers of name servers are read within hard limits, and what is no answer is never taken for one."""

from __future__ import annotations

import struct

import pytest

from fleetctl.net.dns import AAAA, A, Answer, NotDns, read_answer, read_name, write_question

QUESTION = write_question(7, "web.example", A)


def answer(records: bytes, count: int, *, flags: int = 0x8180, identifier: int = 7) -> bytes:
    return struct.pack("!HHHHHH", identifier, flags, 1, count, 0, 0) + QUESTION[12:] + records


def record(kind: int, data: bytes, owner: bytes = b"\xc0\x0c") -> bytes:
    return owner + struct.pack("!HHIH", kind, 1, 60, len(data)) + data


def test_addresses_are_read_through_aliases_and_compression() -> None:
    alias = b"\x04real\xc0\x10"  # real.example: the label, then a pointer to the asked name's second one
    records = record(5, alias) + record(A, bytes([10, 0, 0, 1]), owner=alias) + record(A, bytes([10, 0, 0, 2]), alias)
    assert read_answer(answer(records, 3), QUESTION) == Answer("NOERROR", ("10.0.0.1", "10.0.0.2"))


def test_ipv6_addresses_are_read() -> None:
    question = write_question(7, "web.example", AAAA)
    message = struct.pack("!HHHHHH", 7, 0x8180, 1, 1, 0, 0) + question[12:] + record(AAAA, bytes(15) + b"\1")
    assert read_answer(message, question) == Answer("NOERROR", ("::1",))


@pytest.mark.parametrize(("code", "name"), [(2, "SERVFAIL"), (3, "NXDOMAIN"), (5, "REFUSED"), (11, "RCODE11")])
def test_a_refusal_is_named(code: int, name: str) -> None:
    assert read_answer(answer(b"", 0, flags=0x8180 | code), QUESTION) == Answer(name)


def test_a_cut_answer_says_so_and_gives_no_half_of_it() -> None:
    cut = answer(record(A, bytes([10, 0, 0, 1])), 1, flags=0x8380)
    assert read_answer(cut, QUESTION) == Answer("NOERROR", truncated=True)


def test_an_answer_to_another_question_is_none() -> None:
    assert read_answer(answer(b"", 0, identifier=8), QUESTION) is None
    assert read_answer(answer(b"", 0, flags=0x0100), QUESTION) is None, "it is a question"
    other = write_question(7, "db.example", A)
    assert read_answer(answer(b"", 0), other) is None


def test_an_address_of_another_name_is_not_taken() -> None:
    assert read_answer(answer(record(A, bytes([6, 6, 6, 6]), owner=b"\4evil\0"), 1), QUESTION) == Answer("NOERROR")


@pytest.mark.parametrize(
    "records",
    [
        record(A, bytes(4), owner=b"\xc0\x1d"),  # a pointer to itself
        record(A, bytes(4), owner=b"\xc0\xff"),  # a pointer behind the end
        record(A, bytes(4), owner=b"\x80"),  # a label of an unknown kind
        record(A, bytes(3)),  # an address of three bytes
        record(A, bytes(4))[:-1],  # cut within the data
        b"\xc0\x0c\0",  # cut within the record
        b"",
    ],
)
def test_a_malformed_answer_is_refused(records: bytes) -> None:
    with pytest.raises(NotDns):
        read_answer(answer(records, 1), QUESTION)


def test_every_cut_of_a_good_answer_is_refused_or_none() -> None:
    whole = answer(record(A, bytes([10, 0, 0, 1])), 1)
    for length in range(len(whole)):
        try:
            assert read_answer(whole[:length], QUESTION) is None
        except NotDns:
            continue


def test_a_long_chain_of_pointers_and_a_long_name_end() -> None:
    chain = b"\0" + b"".join(struct.pack("!H", 0xC000 | max(0, 2 * number - 1)) for number in range(1000))
    with pytest.raises(NotDns, match="too many pointers"):
        read_name(chain, len(chain) - 2)
    with pytest.raises(NotDns, match="too long"):
        read_name((b"\x3f" + b"a" * 63) * 5 + b"\0", 0)


@pytest.mark.parametrize("name", ["", "a..b", "a" * 64, ".".join(["a" * 60] * 5), "bücher"])
def test_a_name_that_dns_cannot_carry_is_refused(name: str) -> None:
    with pytest.raises(NotDns):
        write_question(1, name, A)
