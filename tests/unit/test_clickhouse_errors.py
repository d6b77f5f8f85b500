"""One outcome for each error code."""

import pytest

from connectors.clickhouse_errors import _AWAY, _BAD_ROW, ClickHouseFault, fault
from schemas.errors import Reason, Rejected, Unavailable


def test_no_code_means_two_things() -> None:
    assert not _AWAY.keys() & _BAD_ROW.keys()


@pytest.mark.parametrize("code", [210, 241, 242, 243, 252, 516, 999])
def test_what_passes_is_waited_for(code: int) -> None:
    assert isinstance(fault(code, ""), Unavailable)


@pytest.mark.parametrize("code", [53, 117, 469])
def test_a_bad_row_is_set_aside(code: int) -> None:
    error = fault(code, "")
    assert isinstance(error, Rejected) and error.reason is Reason.INSERT


@pytest.mark.parametrize("code", [0, 16, 47, 60, 62, 81])
def test_what_only_we_can_have_done_stops_us(code: int) -> None:
    assert isinstance(fault(code, ""), ClickHouseFault)
