"""SenML in CBOR (RFC 8428, 6) of a meter that speaks for itself."""

from collections.abc import Mapping

import cbor2

# RFC 8428, table 4.
_BASE_TIME, _BASE_NAME, _NAME, _VALUE = -3, -2, 0, 2


def pack(meter: str, at: int, sequence: int, values: Mapping[str, float | None]) -> bytes:
    """Quantities by their names in the catalogue, whose unit they state; what is None was not measured.

    >>> cbor2.loads(pack("m1", 1_795_507_200_500, 7, {"voltage_l1_v": 230.1, "voltage_l2_v": None}))
    [{-2: 'm1/', -3: 1795507200.5, 0: 'sequence', 2: 7}, {0: 'voltage_l1_v', 2: 230.1}]
    """
    first: dict[int, object] = {_BASE_NAME: f"{meter}/", _BASE_TIME: at / 1000, _NAME: "sequence", _VALUE: sequence}
    rest = ({_NAME: name, _VALUE: value} for name, value in values.items() if value is not None)
    return bytes(cbor2.dumps([first, *rest]))
