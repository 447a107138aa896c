"""The faults of no list and the held-out ones: `make lab` asks them and records what was said, right or wrong."""

from __future__ import annotations

import pytest

from tests.lab.fault import Fault
from tests.lab.rows import HELD_OUT, UNLISTED
from tests.lab.test_faults import is_named_while_it_is_there, row_name


@pytest.mark.parametrize("fault", [*UNLISTED, *HELD_OUT], ids=row_name)
def test_such_a_fault_is_named_while_it_is_there_and_only_then(fault: Fault, request: pytest.FixtureRequest) -> None:
    is_named_while_it_is_there(fault, request)
