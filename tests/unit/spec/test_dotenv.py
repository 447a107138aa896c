"""Files of variables are read as Compose reads them."""

from __future__ import annotations

from fleetctl.spec.dotenv import read_variables
from fleetctl.spec.problems import Problems, Stop


def read(text: str, **variables: str) -> tuple[dict[str, tuple[str | None, int]], list[str]]:
    problems = Problems()
    try:
        found = read_variables(text.encode(), "x.env", variables, problems)
    except Stop:
        found = {}
    return found, [f"{problem.where} {problem.message}" for problem in problems.found]


def test_every_form_of_a_line() -> None:
    """Quotes, comments, export, colons, blank values, Windows line ends, and values over several lines."""
    text = """# comment

A=1
export B = two words # comment
C='single $A # kept'
D="double $A \\n \\"q\\" \\$A"
E=
F="over
two lines" # comment
G: colon
H
I=a#b
J='it'
  K=indented\r
L=http://host/path?a=b&c=d
"""
    found, problems = read(text)
    assert problems == []
    assert found == {
        "A": ("1", 3),
        "B": ("two words", 4),
        "C": ("single $A # kept", 5),
        "D": ('double 1 \n "q" $A', 6),
        "E": ("", 7),
        "F": ("over\ntwo lines", 8),
        "G": ("colon", 10),
        "H": (None, 11),
        "I": ("a#b", 12),
        "J": ("it", 13),
        "K": ("indented", 14),
        "L": ("http://host/path?a=b&c=d", 15),
    }


def test_the_environment_wins_over_lines_above() -> None:
    found, _ = read("A=file\nB=$A", A="environment")
    assert found["B"] == ("environment", 2)


def test_mistakes_come_with_their_line_and_the_rest_is_read() -> None:
    found, problems = read('A=1\n=2\nB=\'open\nC=$UNSET\nD="x" y\nE=5\n')
    assert found == {"A": ("1", 1), "D": ("x", 5), "E": ("5", 6)}
    assert [problem.split(" ")[0] for problem in problems] == ["x.env:2:1", "x.env:3:1", "x.env:4:1", "x.env:5:1"]


def test_a_file_that_grows_without_bound_is_refused() -> None:
    """Each line may be long, but all together must not be."""
    _, problems = read("A=" + "x" * 500_000 + "\n" + "".join(f"B{i}=${{A}}\n" for i in range(100)))
    assert any("4 MiB" in problem for problem in problems)
