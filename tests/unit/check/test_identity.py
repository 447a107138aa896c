"""Reading from an answer who gave it."""

from __future__ import annotations

import pytest

from fleetctl.check.identity import read_identity
from fleetctl.check.replicas import mark_duplicates
from fleetctl.spec.model import Identity
from fleetctl.state.probes import ReplicaReply, Reply

ONE = "6fa459ea-ee8a-4ca4-894e-db77e160355e"


@pytest.mark.parametrize(
    ("body", "identity", "expected"),
    [
        (f"My id is {ONE}", Identity(), ONE),
        ("no id at all", Identity(), None),
        (f"x{ONE}x", Identity(), None),
        ("host=web-7;", Identity(pattern=r"host=([\w-]+)"), "web-7"),
        ("host=web-7;", Identity(pattern=r"web-\d"), "web-7"),
        ("nothing", Identity(pattern=r"web-\d"), None),
        ('{"a": {"b": ["x", "y"]}}', Identity(pointer="/a/b/1"), "y"),
        ('{"a/b": {"~": 7}}', Identity(pointer="/a~1b/~0"), "7"),
        ('{"a": null}', Identity(pointer="/a"), None),
        ('{"a": {}}', Identity(pointer="/a"), None),
        ('{"a": 1}', Identity(pointer="/b"), None),
        ("[1]", Identity(pointer="/x"), None),
        ("not json", Identity(pointer="/a"), None),
        ("[" * 100_000, Identity(pointer="/0"), None),
        ('"just text"', Identity(pointer=""), "just text"),
    ],
)
def test_the_identity_is_read_as_the_file_says(body: str, identity: Identity, expected: str | None) -> None:
    """First UUID by default, else a pattern's first group or whole match, or a JSON pointer (RFC 6901)."""
    assert read_identity(body.encode(), identity) == expected


def test_bytes_that_are_no_text_give_no_identity_and_no_error() -> None:
    """Whatever a container answers."""
    assert read_identity(b"\xff\xfe\x00", Identity()) is None


def reply(replica: str, service: str, identity: str | None) -> ReplicaReply:
    return ReplicaReply(replica, service, Reply("http://x/", status=200), identity)


def test_two_replicas_with_one_identity_are_both_wrong_and_name_each_other() -> None:
    """A service's identities are distinct; another service may well repeat them."""
    judged = mark_duplicates([reply("a-1", "a", ONE), reply("a-2", "a", ONE), reply("b-1", "b", ONE)])
    assert [one.error for one in judged] == [
        f"its identity {ONE} is given by a-2 too",
        f"its identity {ONE} is given by a-1 too",
        None,
    ]


def test_replicas_without_identity_are_not_called_double() -> None:
    """A server that tells no identity is not wrong for that."""
    assert [one.error for one in mark_duplicates([reply("a-1", "a", None), reply("a-2", "a", None)])] == [None, None]
