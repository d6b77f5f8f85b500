"""`flexmeter decode`: what a payload says, without any broker."""

import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import BinaryIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click
import orjson

from connectors.decode.json_decoder import decode_json
from connectors.decode.mapping import JsonMapping, load_mappings, parse_mapping
from connectors.decode.readings import Address, Carries
from connectors.decode.telegram import DecodeTelegrams
from connectors.registry import TELEGRAMS, TEXT_PROTOCOLS
from flexmeter.answers import Answer, of_rejection, of_rows, of_telegrams, payload_of, payloads
from flexmeter.role import examples, named
from schemas.errors import Rejected

Answers = Callable[[bytes], Iterable[Answer]]


class Key(click.ParamType):
    """A key in hexadecimal digits."""

    name = "hex"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        """Bytes of the digits."""
        try:
            return bytes.fromhex(value)
        except ValueError:
            self.fail("a key is an even number of hexadecimal digits", param, ctx)


class Zone(click.ParamType):
    """A time zone of the IANA database."""

    name = "zone"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> ZoneInfo:
        """The zone of that name."""
        try:
            return ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            self.fail(f"there is no time zone {value!r}; write one such as Europe/Stockholm", param, ctx)


@click.command(
    epilog=examples(
        "flexmeter decode --profile malmo_household payload.json",
        'echo \'[{"n":"m1/voltage_v","v":230}]\' | flexmeter decode --protocol senml -',
        "flexmeter decode --protocol wmbus --key 000102030405060708090A0B0C0D0E0F telegrams.txt",
    )
)
@click.option(
    "--protocol",
    type=click.Choice(["json", *TELEGRAMS]),
    default="json",
    show_default=True,
    help="What the telegrams are written in.",
)
@click.option("--profile", "profile_name", help="Which mapping reads JSON: the meter's profile.")
@click.option(
    "--mapping",
    "mapping_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A file that reads JSON, not yet among the sources: `flexmeter mapping` proposes one.",
)
@click.option("--key", "keys", type=Key(), multiple=True, help="A key of the meter's; more than once = all are tried.")
@click.option("--zone", type=Zone(), help="Where the meter's clock runs, if telegrams do not say: Europe/Stockholm.")
@click.option("--meter", default="example", show_default=True, help="The meter, where JSON does not name it.")
@click.option("--event", is_flag=True, help="The JSON came under an address for events, not readings.")
@click.option("--lines", is_flag=True, help="One telegram a line, also where the file is one JSON document.")
@click.option("--hex", "as_hex", is_flag=True, help="Hexadecimal digits, also of JSON: `dead-letters list --hex`.")
@click.argument("file", type=click.File("rb"))
def command(
    protocol: str,
    profile_name: str | None,
    mapping_file: Path | None,
    keys: tuple[bytes, ...],
    zone: ZoneInfo | None,
    meter: str,
    event: bool,
    lines: bool,
    as_hex: bool,
    file: BinaryIO,
) -> None:
    """Print what the telegrams in FILE (- for stdin) say, one JSON line for each, or why they are rejected.

    One telegram a line: json as it is, senml and p1 as text or in hexadecimal digits, all others in hexadecimal
    digits. Exit code 1 if any was rejected. docs/decoding.md describes the output.
    """
    if protocol == "json":
        mapping = _mapping(profile_name, mapping_file)
        carries = Carries.EVENT if event else Carries.READING
        answers: Answers = partial(_mapped, mapping, Address("", mapping.profile.name, meter, carries))
    else:
        answers = partial(_described, TELEGRAMS[protocol], keys, zone)
    may_be_text, may_be_hex = protocol in TEXT_PROTOCOLS and not as_hex, protocol != "json" or as_hex
    read = partial(payload_of, may_be_text=may_be_text, may_be_hex=may_be_hex)
    if not _print(payloads(file.read(), may_be_text, lines), read, answers):
        raise SystemExit(1)


def _mapping(profile_name: str | None, file: Path | None) -> JsonMapping:
    if file is not None:
        return parse_mapping(file.stem, file.read_text("utf-8"))
    if profile_name is not None:
        return named(load_mappings(), profile_name, "mapping for the profile")
    raise click.UsageError(f"--profile says which mapping reads JSON: {', '.join(load_mappings())}; or --mapping")


def _print(written: Iterable[tuple[int, bytes]], read: Callable[[bytes], bytes], answers: Answers) -> bool:
    """Print the answers to what is written in the lines; whether no telegram was rejected."""
    all_taken = True
    for line, telegram in written:
        try:
            told = list(answers(read(telegram)))
        except Rejected as rejected:
            told, all_taken = [of_rejection(rejected)], False
        for answer in told:
            click.echo(orjson.dumps({"line": line, **answer}).decode())
    return all_taken


def _mapped(mapping: JsonMapping, address: Address, payload: bytes) -> Iterable[Answer]:
    return of_rows(decode_json(payload, address, _now_ms(), mapping), mapping.profile)


def _described(
    decode: DecodeTelegrams, keys: tuple[bytes, ...], zone: ZoneInfo | None, payload: bytes
) -> Iterable[Answer]:
    return of_telegrams(decode(payload, lambda meter: keys, zones=lambda meter: zone), _now_ms())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
