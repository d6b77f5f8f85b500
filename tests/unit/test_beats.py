"""Time, as beats tell it, whatever the clocks of their sources do."""

from streams.beats import SET_BACK_BEATS, Beats

HOUR_MS = 3_600_000
BEGIN = 1_700_000_000_000


def passed_s(times: list[int]) -> list[int]:
    """The source's time after each beat, in seconds."""
    beats = Beats()
    return [beats.beat("mqtt", BEGIN + at) // 1_000 for at in times]


def seconds(count: int, begin_ms: int = 0) -> list[int]:
    return [begin_ms + second * 1_000 for second in range(count)]


def test_a_clock_that_was_an_hour_ahead_and_is_set_right_stops_time_for_seconds_only() -> None:
    passed = passed_s([*seconds(60), *seconds(60, HOUR_MS), *seconds(120, 120_000)])
    assert passed[59] == 59 and passed[119] == 120
    assert passed[-1] == 240 - SET_BACK_BEATS


def test_a_single_beat_that_is_ahead_costs_seconds_only() -> None:
    assert passed_s([0, 5 * HOUR_MS, *seconds(100, 1_000)])[-1] == 2 + 100 - SET_BACK_BEATS


def test_the_newest_beat_is_never_before_the_first_though_that_one_was_ahead() -> None:
    beats = Beats()
    for at in [HOUR_MS, *seconds(100)]:
        beats.beat("mqtt", BEGIN + at)
        assert beats.newest >= beats.oldest > 0


def test_of_two_instances_whose_clocks_differ_the_one_ahead_tells_the_time_until_it_ends() -> None:
    both = [at for second in seconds(600) for at in (second + HOUR_MS, second)]
    assert passed_s(both)[-1] == 599
    its_last = 1
    assert passed_s([*both, *seconds(100, 600_000)])[-1] == 599 + 100 - (SET_BACK_BEATS - its_last)


def test_what_is_a_little_behind_moves_nothing() -> None:
    both = [at for second in seconds(600) for at in (second + 30_000, second)]
    assert passed_s(both)[-1] == 599
