"""What sets two registers apart, and that doing it makes them one."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.master_data import Device
from schemas.register_change import SHOWN, change_of

METERS = st.sampled_from([f"m{n}" for n in range(8)])
SUBSTATIONS = st.sampled_from([None, "s1", "s2"])
REGISTERS = st.dictionaries(METERS, st.tuples(SUBSTATIONS, st.integers(1, 2)))
Drawn = dict[str, tuple[str | None, int]]


def register(drawn: Drawn) -> dict[str, Device]:
    return {
        meter: Device(meter, "water", substation, None, None, None, None, interval)
        for meter, (substation, interval) in drawn.items()
    }


@given(REGISTERS, REGISTERS)
def test_what_is_told_makes_the_one_the_other(before: Drawn, after: Drawn) -> None:
    standing, wanted = register(before), register(after)
    change = change_of(standing, wanted)
    done = standing | {meter: wanted[meter] for meter in (*change.added, *change.changed)}
    assert {meter: device for meter, device in done.items() if meter not in change.missing} == wanted
    assert change.to_do(removes=True) == len(standing.keys() ^ wanted.keys()) + len(change.changed)
    assert change.to_do(removes=False) == change.to_do(removes=True) - len(change.missing)
    assert all(standing[meter] != wanted[meter] for meter in change.changed)
    assert change_of(wanted, wanted).to_do(removes=True) == 0


def test_the_first_few_are_named_and_all_counted() -> None:
    wanted = register({f"m{n}": (None, 1) for n in range(SHOWN + 1_000)})
    added, changed, removed = change_of({}, wanted).lines(removes=True)
    assert added == "added    1,005: m0, m1, m2, m3, m4 ..."
    assert (changed, removed) == ("changed  0", "removed  0")


def test_what_is_missing_stays_unless_it_is_to_go() -> None:
    change = change_of(register({"m1": (None, 1), "m2": ("s1", 1)}), register({"m2": ("s2", 2)}))
    assert list(change.lines(removes=False))[1:] == [
        "changed  1: m2 (substation, interval_s)",
        "missing  1: m1; they stay: --remove removes them",
    ]
    assert list(change.lines(removes=True))[2] == "removed  1: m1"
