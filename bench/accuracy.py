"""How right the parts are that judge, each against its own truth: `python -m bench.accuracy NAME`.

Each module's `main(argv)` says what it is measured on; all print their figures, the last line as JSON, and keep them
under bench/results.
"""

import importlib
import sys
from collections.abc import Sequence

MODULES = {
    "faults": "bench.meter_faults",
    "nab": "bench.nab",
    "nilm": "bench.nilm",
    "outage": "bench.outage_accuracy",
}
"""What can be measured, and the module that does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the one that is named."""
    name, *rest = argv if argv is not None else sys.argv[1:] or [""]
    if name not in MODULES:
        print(f"NAME is one of: {', '.join(MODULES)}", file=sys.stderr)
        return 2
    code: int = importlib.import_module(MODULES[name]).main(rest)
    return code


if __name__ == "__main__":
    sys.exit(main())
