"""SAIDI, SAIFI, CAIDI, MAIFI_E and major event days against examples worked out by hand."""

import numpy as np
import pytest

from bench.indices import (
    DAYS_OF_FIVE_YEARS,
    NOT_COMPUTABLE,
    indices,
    major_event_days,
    major_event_threshold,
)
from streams.indices import Interruptions, count_by_day, merged

MINUTE = 60_000
THREE, FIVE = 3 * MINUTE, 5 * MINUTE
DAY = 86_400_000


def rows(*found: tuple[int, float, float]) -> Interruptions:
    """Customer, start and end in minutes."""
    columns = np.array(found, float).reshape(len(found), 3).T
    times = (columns[1:] * MINUTE).astype(np.int64)
    return Interruptions(columns[0].astype(np.int64), times[0], times[1])


def test_four_customers_by_hand() -> None:
    """Two out for 30 and 60 min, one for 4 min (sustained by EN 50160 only), one of them for 1 min more."""
    found = rows((0, 0, 30), (1, 0, 60), (2, 10, 14), (0, 100, 101))
    by_en = indices(found, np.arange(4), THREE)
    assert (by_en.saidi_minutes, by_en.saifi, by_en.maifi_e) == (94 / 4, 3 / 4, 1 / 4)
    assert by_en.caidi_minutes == pytest.approx(94 / 3)
    by_ieee = indices(found, np.arange(4), FIVE)
    assert (by_ieee.saidi_minutes, by_ieee.saifi, by_ieee.maifi_e) == (90 / 4, 2 / 4, 2 / 4)
    assert by_en.customer_minutes == by_ieee.customer_minutes == 95


def test_exactly_the_threshold_is_momentary() -> None:
    assert indices(rows((0, 0, 3)), np.arange(1), THREE).saifi == 0
    assert indices(rows((0, 0, 3)), np.arange(1), THREE).maifi_e == 1


def test_reclosing_is_one_momentary_event() -> None:
    found = rows((0, 0, 0.1), (0, 0.5, 0.6), (0, 1, 1.2), (0, 20, 20.1))
    assert indices(found, np.arange(1), FIVE).maifi_e == 2


def test_reclosing_that_fails_is_the_sustained_interruption_only() -> None:
    found = indices(rows((0, 0, 0.1), (0, 0.5, 30)), np.arange(1), FIVE)
    assert (found.saifi, found.maifi_e) == (1, 0)


def test_overlapping_rows_of_a_customer_count_once() -> None:
    both = merged(rows((0, 5, 20), (1, 0, 1), (0, 0, 10)))
    assert both.customer.tolist() == [0, 1]
    assert both.end_ms.tolist() == [20 * MINUTE, MINUTE]
    assert indices(rows((0, 5, 20), (0, 0, 10)), np.arange(1), THREE).saidi_minutes == 20


def test_nothing_interrupted() -> None:
    found = indices(rows(), np.arange(3), THREE)
    assert (found.saidi_minutes, found.saifi, found.caidi_minutes, found.maifi_e) == (0, 0, None, 0)


def test_only_the_customers_of_the_group_count() -> None:
    assert indices(rows((0, 0, 30), (7, 0, 30)), np.array([7, 8]), THREE).saidi_minutes == 15


def test_an_interruption_counts_to_the_day_it_began_on() -> None:
    over_midnight = Interruptions(np.array([0]), np.array([2 * DAY - 10 * MINUTE]), np.array([2 * DAY + 50 * MINUTE]))
    assert count_by_day(over_midnight, THREE) == {1: (1, 60 * MINUTE, 0, 60 * MINUTE)}


def test_reclosing_over_midnight_is_one_event_of_the_day_before() -> None:
    found = rows((0, 24 * 60 - 0.5, 24 * 60 - 0.4), (0, 24 * 60 + 0.5, 24 * 60 + 0.6), (1, 24 * 60 + 1, 24 * 60 + 2))
    assert {day: counts.momentary_events for day, counts in count_by_day(found, THREE).items()} == {0: 1, 1: 1}


def test_major_event_days_only_from_five_years_of_days() -> None:
    assert major_event_threshold(np.ones(DAYS_OF_FIVE_YEARS - 1)) == NOT_COMPUTABLE
    assert major_event_days(np.ones(DAYS_OF_FIVE_YEARS - 1)) == NOT_COMPUTABLE


def test_major_event_days_by_two_and_a_half_beta() -> None:
    """Logs of +-1 about 0: alpha 0, beta nearly 1, so the threshold is e^2.5; days without any are left out."""
    days = np.tile([np.e, 1 / np.e, 0.0], 700)
    days[10] = 0.0
    days[2] = 20.0
    threshold = major_event_threshold(days)
    assert isinstance(threshold, float)
    assert threshold == pytest.approx(np.exp(2.5), rel=0.02)
    found = major_event_days(days)
    assert not isinstance(found, str)
    assert found.tolist() == [2]
