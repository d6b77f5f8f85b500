"""How right the analyses are, each on its own yardstick: `make accuracy NAME=outage`."""

import sys
from importlib import import_module

BENCHES = {"outage": "bench.outage_accuracy"}
"""By name: the module whose `main(arguments)` measures it and writes bench/results/<name>.json."""


def main() -> int:
    """Run the one that the first argument names, with the other arguments."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in BENCHES:
        print(f"usage: python -m bench.accuracy {{{','.join(BENCHES)}}}", file=sys.stderr)
        return 2
    found: int = import_module(BENCHES[name]).main(sys.argv[2:])
    return found


if __name__ == "__main__":
    raise SystemExit(main())
