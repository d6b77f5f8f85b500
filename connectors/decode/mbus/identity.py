"""Who measured: manufacturer, identification number, version and device type (EN 13757-7, 7.5; EN 13757-4)."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class DeviceType:
    """A device type: its name in the standard's words, and the medium that it meters (empty: none)."""

    name: str
    medium: str = ""


DEVICE_TYPES: Mapping[int, DeviceType] = MappingProxyType(
    {
        0x00: DeviceType("other"),
        0x01: DeviceType("oil", "oil"),
        0x02: DeviceType("electricity", "electricity"),
        0x03: DeviceType("gas", "gas"),
        0x04: DeviceType("heat_outlet", "heat"),
        0x05: DeviceType("steam", "steam"),
        0x06: DeviceType("warm_water", "water"),
        0x07: DeviceType("water", "water"),
        0x08: DeviceType("heat_cost_allocator", "heat"),
        0x09: DeviceType("compressed_air", "compressed_air"),
        0x0A: DeviceType("cooling_outlet", "cooling"),
        0x0B: DeviceType("cooling_inlet", "cooling"),
        0x0C: DeviceType("heat_inlet", "heat"),
        0x0D: DeviceType("heat_cooling", "heat"),
        0x0E: DeviceType("bus_system"),
        0x0F: DeviceType("unknown"),
        0x10: DeviceType("irrigation_water", "water"),
        0x11: DeviceType("water_data_logger", "water"),
        0x12: DeviceType("gas_data_logger", "gas"),
        0x13: DeviceType("gas_converter", "gas"),
        0x14: DeviceType("calorific_value"),
        0x15: DeviceType("hot_water", "water"),
        0x16: DeviceType("cold_water", "water"),
        0x17: DeviceType("dual_water", "water"),
        0x18: DeviceType("pressure"),
        0x19: DeviceType("ad_converter"),
        0x1A: DeviceType("smoke_detector"),
        0x1B: DeviceType("room_sensor", "room"),
        0x1C: DeviceType("gas_detector"),
        0x20: DeviceType("electricity_breaker", "electricity"),
        0x21: DeviceType("valve"),
        0x25: DeviceType("customer_unit"),
        0x28: DeviceType("waste_water", "water"),
        0x29: DeviceType("garbage"),
        0x2A: DeviceType("carbon_dioxide"),
        0x31: DeviceType("communication_controller"),
        0x32: DeviceType("unidirectional_repeater"),
        0x33: DeviceType("bidirectional_repeater"),
        0x36: DeviceType("radio_converter_system_side"),
        0x37: DeviceType("radio_converter_meter_side"),
        0x38: DeviceType("wired_adapter"),
    }
)
"""EN 13757-7, table 13 (device type identification). A number that is not here is reserved."""


@dataclass(frozen=True, slots=True)
class Address:
    """A meter's address of eight bytes, as the wireless link layer orders them: M, identification, version, type."""

    octets: bytes

    @classmethod
    def of_header(cls, octets: bytes) -> "Address":
        """From the long header's order: identification, M, version, type."""
        return cls(octets[4:6] + octets[:4] + octets[6:])

    @property
    def meter(self) -> str:
        """The identity: manufacturer, then the eight digits of the identification number.

        >>> Address(bytes.fromhex("2D2C785634121B16")).meter
        'KAM12345678'
        """
        return manufacturer(int.from_bytes(self.octets[:2], "little")) + identification(self.octets[2:6])

    @property
    def version(self) -> int:
        """The manufacturer's number of the device's generation."""
        return self.octets[6]

    @property
    def device(self) -> DeviceType:
        """What kind of device it is."""
        return DEVICE_TYPES.get(self.octets[7]) or DeviceType(f"reserved_{self.octets[7]:02x}")


def manufacturer(code: int) -> str:
    """Three letters of five bits each (EN 62056-21, FLAG); a code that does not hold letters, as four hex digits.

    The highest bit says only whether the address is unique worldwide, so it is no part of the name.

    >>> manufacturer(0x2C2D), manufacturer(0xAC2D), manufacturer(0x0000)
    ('KAM', 'KAM', '0000')
    """
    letters = [code >> 10 & 31, code >> 5 & 31, code & 31]
    if all(1 <= letter <= 26 for letter in letters):
        return "".join(chr(64 + letter) for letter in letters)
    return f"{code:04X}"


def identification(octets: bytes) -> str:
    """Eight digits, lowest byte first. They name and do not count, so digits above nine are kept as they are.

    >>> identification(bytes.fromhex("78563412"))
    '12345678'
    """
    return octets[::-1].hex().upper()
