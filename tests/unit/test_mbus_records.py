"""Records of EN 13757-3: blocks, VIF tables, codings, points in time. Frames are built by hand from the standard."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode.mbus import value_codes
from connectors.decode.mbus.quantities import QUANTITIES
from connectors.decode.mbus.records import read_records
from connectors.decode.telegram import Measured
from schemas.catalogue import load_catalogue
from schemas.errors import Reason, Rejected


def one(text: str, medium: str = "") -> Measured:
    (measured,) = read_records(bytes.fromhex(text), medium).measured
    return measured


@pytest.mark.parametrize(
    ("record", "value"),
    [
        ("0113 9C", -0.1),  # integers of every length
        ("0213 E803", 1.0),
        ("0313 40420F", 1000.0),
        ("0413 FFFFFFFF", -0.001),
        ("0613 00E876481700", 1e8),
        ("0713 0000000000000100", 281474976710.656),
        ("0513 0000C03F", 0.0015),  # a real number obeys the exponent
        ("0513 0000C0BF", -0.0015),
        ("0913 12", 0.012),  # BCD of every length
        ("0A13 3412", 1.234),
        ("0B13 563412", 123.456),
        ("0C13 78563412", 12345.678),
        ("0E13 129078563412", 123456789.012),
        ("0C13 785634F2", -2345.678),  # and negative
        ("0D13 C2 3412", 1.234),  # variable length
        ("0D13 D2 3412", -1.234),
        ("0D13 E2 FEFF", -0.002),
        ("0D13 E8 0000000000000100", 281474976710.656),
    ],
)
def test_codings(record: str, value: float) -> None:
    assert one(record, "water") == Measured("water_volume_m3", value, "m3", "volume")


INTEGERS = {0x1: 1, 0x2: 2, 0x3: 3, 0x4: 4, 0x6: 6, 0x7: 8}
DIGITS = {0x9: 2, 0xA: 4, 0xB: 6, 0xC: 8, 0xE: 12}


def bcd(number: int, digits: int) -> bytes:
    text = f"F{-number:0{digits - 1}d}" if number < 0 else f"{number:0{digits}d}"
    return bytes.fromhex(text)[::-1]


@given(st.sampled_from([*INTEGERS, *DIGITS]), st.integers(0, 7), st.data())
def test_every_number_is_the_nearest_float(data_field: int, exponent: int, data: st.DataObject) -> None:
    if length := INTEGERS.get(data_field):
        number = data.draw(st.integers(1 - 2 ** (8 * length - 1), 2 ** (8 * length - 1) - 1))
        value = number.to_bytes(length, "little", signed=True)
    else:
        digits = DIGITS[data_field]
        number = data.draw(st.integers(1 - 10 ** (digits - 1), 10**digits - 1))
        value = bcd(number, digits)
    (measured,) = read_records(bytes([data_field, 0x10 + exponent]) + value, "water").measured
    assert measured.value == float(Decimal(number).scaleb(exponent - 6))


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ("0213 0080", "marked as invalid"),
        ("0413 00000080", "marked as invalid"),
        ("0513 0000C07F", "marked as invalid"),
        ("0513 000080FF", "marked as invalid"),
        ("0C13 7856A412", "invalid BCD digits 12A45678"),
        ("0C13 78F63412", "invalid BCD digits 1234F678"),
        ("0C13 FFFFFFFF", "invalid BCD digits FFFFFFFF"),
        ("0D13 C0", "no digits"),
        ("0D13 E0", "no bytes"),
        ("029315 0000", "no data available"),
        ("029318 0000", "data error"),
        ("026C FFFF", "invalid point in time: marked as invalid"),
        ("046D 80200127", "invalid point in time: marked as invalid"),
        ("046D 22484136", "invalid point in time: year 26, hundreds 2"),
        ("026C A1F4", "invalid point in time: year 125, hundreds 0"),
        ("026C 1F22", "invalid point in time: day is out of range for month"),
        ("0A6C 3112", "data field A for a point in time"),
        ("046C 00200127", "data field 4 for a point in time"),
        ("026D BF3C", "data field 2 for a point in time"),
        ("0D6D 02BF3C", "data field D for a point in time"),
    ],
)
def test_records_without_a_value_are_told_so(record: str, why: str) -> None:
    measured = one(record, "water")
    assert (measured.quantity, measured.which) == ("", f"invalid ({why})")
    assert isinstance(measured.value, str)
    assert bytes.fromhex(record).endswith(bytes.fromhex(measured.value))


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ("026C BF1C", "2013-12-31"),
        ("026C A1BC", "1993-12-01"),
        ("026C FFFC", "*-12-31"),
        ("026C A01F", "2013-*-*"),
        ("036D 1E2D17", "23:45:30"),
        ("046D 0D11A61B", "2013-11-06T17:13:00"),
        ("046D 2B8B61C7", "1999-07-01T11:43:00"),
        ("046D 2B2BC137", "2030-07-01T11:43:00"),
        ("046D 3F1FA61B", "2013-11-06T*:*:00"),
        ("066D 1E2D17B12400", "2021-04-17T23:45:30"),
        ("04FD30 0D11A61B", "2013-11-06T17:13:00"),
        ("02FD70 BF1C", "2013-12-31"),
        ("04BB4A 0D11A61B", "2013-11-06T17:13:00"),
    ],
)
def test_points_in_time(record: str, text: str) -> None:
    assert (one(record).value, one(record).which) == (text, "")


@pytest.mark.parametrize(
    ("record", "which"),
    [
        ("0413", ""),
        ("1413", "maximum"),
        ("2413", "minimum"),
        ("3413", "error state"),
        ("4413", "storage 1"),
        ("C40113", "storage 3"),
        ("841013", "tariff 1"),
        ("84B01013", "tariff 7"),
        ("844013", "subunit 1"),
        ("84C04013", "subunit 3"),
        ("C4" + "80" * 8 + "0813", "storage 68719476737"),
        ("D47113", "maximum, storage 3, tariff 3, subunit 1"),
    ],
)
def test_numbers_of_difes(record: str, which: str) -> None:
    assert one(record + "01000000", "water") == Measured("water_volume_m3", 0.001, "m3", "volume", which)


@pytest.mark.parametrize(
    ("medium", "record", "quantity", "value", "unit"),
    [
        ("heat", "0406 39300000", "heat_energy_wh", 12345000.0, "Wh"),
        ("heat", "040E 24000000", "heat_energy_wh", 10000.0, "Wh"),
        ("heat", "04FB00 02000000", "heat_energy_wh", 200000.0, "Wh"),
        ("heat", "04FB08 24000000", "heat_energy_wh", 1e6, "Wh"),
        ("heat", "04FB0D 01000000", "heat_energy_wh", 1162.2222222222222, "Wh"),
        ("cooling", "0406 39300000", "cooling_energy_wh", 12345000.0, "Wh"),
        ("heat", "04863C 01000000", "cooling_energy_wh", 1000.0, "Wh"),
        ("heat", "022D 3200", "heat_power_w", 5000.0, "W"),
        ("heat", "122D 3200", "heat_power_peak_w", 5000.0, "W"),
        ("heat", "0414 39300000", "volume_m3", 123.45, "m3"),
        ("heat", "023B E803", "flow_m3_per_h", 1.0, "m3/h"),
        ("heat", "0244 E803", "flow_m3_per_h", 60.0, "m3/h"),
        ("heat", "024E E803", "flow_m3_per_h", 3600.0, "m3/h"),
        ("heat", "025A B603", "forward_temperature_c", 95.0, "°C"),
        ("heat", "025D FEFF", "return_temperature_c", -0.02, "°C"),
        ("heat", "046E 0A000000", "heat_cost_units", 10.0, "1"),
        ("electricity", "0403 39300000", "active_energy_import_wh", 12345.0, "Wh"),
        ("electricity", "04833C 39300000", "active_energy_export_wh", 12345.0, "Wh"),
        ("electricity", "0483FC10 39300000", "active_energy_total_wh", 12345.0, "Wh"),
        ("electricity", "022B 3930", "active_power_w", 12345.0, "W"),
        ("electricity", "04ABFC02 39300000", "active_power_l2_w", 12345.0, "W"),
        ("electricity", "02FDC8FC01 FC08", "voltage_l1_v", 230.0, "V"),
        ("electricity", "02FD48 FC08", "voltage_v", 230.0, "V"),
        ("electricity", "02FDD9FC03 DC05", "current_l3_a", 1.5, "A"),
        ("electricity", "02FB2E 8813", "frequency_hz", 500.0, "Hz"),
        ("electricity", "04FB82F53C 3F000000", "reactive_energy_export_varh", 6300.0, "varh"),
        ("water", "0414 39300000", "water_volume_m3", 123.45, "m3"),
        ("water", "04FB10 02000000", "water_volume_m3", 200.0, "m3"),
        ("water", "0493 7D 01000000", "water_volume_m3", 1.0, "m3"),
        ("water", "0494 72 01000000", "water_volume_m3", 1e-6, "m3"),
        ("gas", "0414 39300000", "gas_volume_m3", 123.45, "m3"),
        ("room", "0265 D007", "indoor_temperature_c", 20.0, "°C"),
    ],
)
def test_quantities_of_the_catalogue(medium: str, record: str, quantity: str, value: float, unit: str) -> None:
    measured = one(record, medium)
    assert (measured.quantity, measured.value, measured.unit, measured.which) == (quantity, value, unit, "")


@pytest.mark.parametrize(
    ("record", "value", "unit", "description", "which"),
    [
        ("0218 E803", 1.0, "kg", "mass", ""),
        ("0420 0A000000", 10.0, "s", "on time", ""),
        ("0226 0200", 7200.0, "s", "operating time", ""),
        ("0261 E803", 10.0, "K", "temperature difference", ""),
        ("0269 E803", 10.0, "bar", "pressure", ""),
        ("01FB1A 61", 9.7, "%", "relative humidity", ""),
        ("0C78 78563412", 12345678.0, "", "fabrication number", ""),
        ("0779 FFFFFFFFFFFFFFFF", "18446744073709551615", "", "enhanced identification", ""),
        ("02FD17 00C0", 49152.0, "", "error flags", ""),
        ("0DFD0F 04 302E3156", "V1.0", "", "software version", ""),
        ("0DFD11 02 0001", "0001", "", "customer", ""),
        ("0DFD3B 03 010203", "010203", "", "wireless M-Bus container", ""),
        ("02FC03485225 74 D411", 45.64, "%RH", "value in plain text unit", ""),
        ("027C03485225 D411", 4564.0, "%RH", "value in plain text unit", ""),
        ("0483 22 01000000", 1.0, "Wh/h", "energy", ""),
        ("0493 3C 01000000", 0.001, "m3", "volume", "backward"),
        ("0493 7A 01000000", 0.001, "m3", "volume", "without additive constant 10^-1"),
        ("0493 3D 01000000", 1.0, "", "in a non-metric unit: volume", ""),
        ("02BB 56 0200", 7200.0, "s", "duration of the last time the lower limit was passed: volume flow", ""),
        ("02BB 49 0200", 2.0, "1", "times the upper limit was passed: volume flow", ""),
        ("046F 01000000", 1.0, "", "reserved VIF 6F", ""),
        ("04FB7F 01000000", 10000.0, "W", "cumulated maximum power", ""),
        ("04FB38 01000000", 1.0, "", "reserved VIF FB 38", ""),
        ("04FDFD03 05000000", 5.0, "year", "remaining battery life", ""),
        ("04937F 01000000", 0.001, "m3", "volume", "manufacturer specific"),
        ("0493FF05 01000000", 0.001, "m3", "volume", "manufacturer specific 05"),
        ("0493 60 01000000", 1.0, "s", "duration of the first: volume", ""),
        ("0493 06 01000000", "01000000", "m3", "volume", "invalid (data class not implemented)"),
        ("0493 2B 01000000", 0.001, "m3", "volume", "per pulse of output 1"),
        ("0493 11 01000000", 0.001, "m3", "volume", "reserved VIFE 11"),
        ("0493FC3F 01000000", 0.001, "m3", "volume", "reserved VIFE FC 3F"),
        ("04FFA001 01000000", 1.0, "", "manufacturer specific FF A0 01", ""),
        ("0013", "", "m3", "volume", ""),
        ("0F010203", "010203", "", "manufacturer specific data", ""),
    ],
)
def test_what_the_catalogue_lacks_is_kept(
    record: str, value: float | str, unit: str, description: str, which: str
) -> None:
    assert one(record, "water") == Measured("", value, unit, description, which)


def test_fillers_more_records_and_numbered_repetitions() -> None:
    records = read_records(bytes.fromhex("2F 0113 01 2F2F 0113 02 0113 03 4113 04 1F AB"), "water")
    assert [(one.value, one.which) for one in records.measured] == [
        (0.001, ""),
        (0.002, "value 2"),
        (0.003, "value 3"),
        (0.004, "storage 1"),
        ("ab", ""),
    ]
    assert records.more_follow


def profile(text: str) -> list[tuple[str, float | str, str]]:
    records = read_records(bytes.fromhex(text), "heat")
    return [(one.quantity, one.value, one.which) for one in records.measured]


@pytest.mark.parametrize("vife", ["13", "1F"])
def test_a_compact_profile_goes_on_from_its_storage_number(vife: str) -> None:
    values = "730200 950300 FFFFFF 070000"
    assert profile(f"83046E 100100 8D04EE{vife} 0E 3BFE {values}") == [
        ("heat_cost_units", 272.0, "storage 8"),
        ("heat_cost_units", 273.0, "storage 9"),
        ("heat_cost_units", 395.0, "storage 10"),
        ("heat_cost_units", 7.0, "storage 12"),
    ]


@pytest.mark.parametrize(
    "record",
    [
        "4DEE13 05 7BFE 730200",  # increments: from which value on?
        "4DEE13 06 3BFE 73020095",
        "4DEE13 02 30FE",
        "4DEE13 03 3DFE 73",
        "4DEE13 01 3B",
        "4DEE1E 05 3BFE 730200",
    ],
)
def test_profiles_that_are_left_as_bytes(record: str) -> None:
    (measured,) = read_records(bytes.fromhex(record), "heat").measured
    assert (measured.quantity, measured.value, measured.which) == ("", record[9:].replace(" ", "").lower(), "storage 1")


def test_the_clock_is_the_present_date_and_time() -> None:
    assert read_records(bytes.fromhex("446D00000000 046D0D11A61B 346D00000000"), "").clock == bytes.fromhex("0D11A61B")


@pytest.mark.parametrize(
    "data",
    [
        "04",
        "84",
        "0413 010203",
        "0C13",
        "0D13",
        "0D13 03 4142",
        "0D13 CA",
        "0D13 F7",
        "84" + "80" * 10 + "0113 01",
        "0493" + "A0" * 10 + "20 01000000",
        "04FC",
        "04FC05 4142",
        "047C02 0001 01000000",
        "3F",
        "7F",
        "0113 01 6F",
    ],
)
def test_data_that_hold_no_records(data: str) -> None:
    with pytest.raises(Rejected) as rejected:
        read_records(bytes.fromhex(data), "water")
    assert rejected.value.reason is Reason.MALFORMED


def test_ten_difes_and_ten_vifes_are_read() -> None:
    assert one("84" + "80" * 9 + "00 13 01000000", "water").value == 0.001
    assert one("0493" + "C8" * 9 + "48 01000000", "water").value == 0.001


def test_every_name_is_of_the_catalogue_and_in_its_unit() -> None:
    meanings = [*value_codes.PRIMARY.values(), *value_codes.EXTENSION_FB.values(), *value_codes.EXTENSION_FD.values()]
    units = {meaning.description: meaning.unit for meaning in meanings}
    for table in QUANTITIES.values():
        for (description, _), quantity in table.items():
            assert load_catalogue().quantities[quantity].unit == units[description]


@pytest.mark.parametrize("description", ["energy", "volume", "power", "mass", "volume flow"])
def test_a_description_has_one_unit_in_all_tables(description: str) -> None:
    meanings = [*value_codes.PRIMARY.values(), *value_codes.EXTENSION_FB.values()]
    assert len({meaning.unit for meaning in meanings if meaning.description == description}) == 1
