"""All the other faults: `make lab` asks them, too, and records what was said, right or wrong."""

from __future__ import annotations

import pytest

from tests.lab.fault import Fault
from tests.lab.rows import OTHERS
from tests.lab.test_faults import is_named_while_it_is_there, row_name


@pytest.mark.parametrize("fault", OTHERS, ids=row_name)
def test_another_fault_is_named_while_it_is_there_and_only_then(fault: Fault, request: pytest.FixtureRequest) -> None:
    is_named_while_it_is_there(fault, request)
