"""The P1 telegram of a customer interface (P1 companion standard 5.0): text with a CRC."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

_WINTER = timedelta(hours=1)


def telegram(meter: str, at: int, values: Mapping[str, str]) -> bytes:
    r"""A telegram at `at` (ms UTC, whole seconds); `values` is OBIS code -> number with unit, as `000001.500*kWh`.

    >>> telegram("E1", 1_795_507_200_000, {"1-0:1.7.0": "00.244*kW"}).split(b"\r\n")[2:]
    [b'1-3:0.2.8(50)', b'0-0:1.0.0(261124090000W)', b'0-0:96.1.1(4531)', b'1-0:1.7.0(00.244*kW)', b'!C346', b'']
    """
    local = datetime.fromtimestamp(at // 1000, UTC) + _WINTER
    lines = [
        "/FLX5\\fleet",
        "",
        "1-3:0.2.8(50)",
        f"0-0:1.0.0({local:%y%m%d%H%M%S}W)",
        f"0-0:96.1.1({meter.encode().hex()})",
        *(f"{code}({value})" for code, value in values.items()),
        "!",
    ]
    text = "\r\n".join(lines).encode()
    return text + b"%04X\r\n" % _crc16(text)


def _crc16(data: bytes) -> int:
    """CRC-16/ARC, by its definition."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc
