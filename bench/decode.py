"""How fast telegrams are decoded, protocol by protocol: `python -m bench.decode`.

The telegrams of a protocol are its seeds of bench/fuzz_targets.py (published ones, and the golden cases) that decode.
Beside it, where a plain library reads the same bytes, what that takes alone: it is the floor, not a rival, as it makes
neither meters nor units of them. Both take turns, round by round; counted is this process's CPU time, and the median of
the rounds stands.
"""

import io
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import cbor2
import orjson

from bench.codec import in_turns
from bench.fuzz_targets import targets
from bench.report import report
from schemas.errors import Rejected

MOST_TELEGRAMS = 200


def _plain_senml(payload: bytes) -> object:
    return cbor2.load(io.BytesIO(payload)) if payload[0] >= 0x80 else orjson.loads(payload)


PLAIN: Mapping[str, tuple[str, Callable[[bytes], object]]] = {
    "json": ("orjson.loads", lambda payload: orjson.loads(payload[1:])),  # its first byte chooses the mapping
    "senml": ("orjson.loads, cbor2.load", _plain_senml),
}
"""protocol -> the library that reads its bytes, and how it is called."""


def measure(protocol: str, data: Path) -> dict[str, object] | None:
    """Telegrams a second of CPU time and us for each, with the library alone beside it; None without telegrams."""
    target = targets(data)[protocol]()
    telegrams = [payload for payload in target.seeds if _is_decoded(target.decode, payload)][:MOST_TELEGRAMS]
    if not telegrams:
        return None
    ways: dict[str, Callable[[], object]] = {"decode": partial(_each, target.decode, telegrams)}
    library, plain = PLAIN.get(protocol, (None, None))
    if plain is not None:
        ways["plain"] = partial(_each, plain, telegrams)
    seconds = {way: taken / len(telegrams) for way, taken in in_turns(ways, calls=1).items()}
    return {
        "protocol": protocol,
        "telegrams": len(telegrams),
        "mean_bytes": round(sum(map(len, telegrams)) / len(telegrams)),
        "telegrams_per_s": round(1 / seconds["decode"]),
        "us_per_telegram": round(seconds["decode"] * 1e6, 2),
        "library": library,
        "library_us_per_telegram": round(seconds["plain"] * 1e6, 2) if plain else None,
    }


def _is_decoded(decode: Callable[[bytes], object], payload: bytes) -> bool:
    try:
        decode(payload)
    except Rejected:
        return False
    return True


def _each(decode: Callable[[bytes], object], telegrams: list[bytes]) -> None:
    for telegram in telegrams:
        decode(telegram)


def main() -> None:
    """Measure, print, keep."""
    data = Path(os.environ.get("FLEXMETER_DATA", "../shared/data"))
    results = [found for protocol in targets(data) if (found := measure(protocol, data))]
    print(f"{'protocol':<10}{'telegrams':>10}{'bytes':>7}{'per s':>10}{'us':>9}  library alone")
    for one in results:
        alone = f"{one['library']} {one['library_us_per_telegram']} us" if one["library"] else "none"
        counts = f"{one['telegrams']:>10}{one['mean_bytes']:>7}{one['telegrams_per_s']:>10}{one['us_per_telegram']:>9}"
        print(f"{one['protocol']:<10}{counts}  {alone}")
    report("decode", {"protocols": results}, packages=["cbor2", "orjson"])


if __name__ == "__main__":
    main()
