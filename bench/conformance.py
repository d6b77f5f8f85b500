"""Every decoder on the published telegrams of its protocol: `python -m bench.conformance`, `make conformance`.

Reads FLEXMETER_DATA (default ../shared/data) and says so where it is absent. Exit code 1 where a goal is missed, a
value is wrong, or a decoder raises anything but Rejected.
"""

import dataclasses
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import click

from bench import conformance_dlms, conformance_json, conformance_mbus, conformance_senml
from bench.conformance_result import Result
from bench.report import report

PROTOCOLS: Mapping[str, Callable[[Path], list[Result]]] = {
    "mbus": conformance_mbus.conformance,
    "dlms": conformance_dlms.conformance,
    "senml": conformance_senml.conformance,
    "json": conformance_json.conformance,
}
"""protocol -> its trial."""

MOST_SHOWN = 20


@click.command()
@click.option("--data", type=click.Path(path_type=Path), default="../shared/data", envvar="FLEXMETER_DATA")
@click.argument("protocols", nargs=-1, type=click.Choice(list(PROTOCOLS)))
def main(data: Path, protocols: tuple[str, ...]) -> None:
    """Try the decoders of PROTOCOLS (all unless told) on published telegrams."""
    if not (data / "protocol").is_dir():
        click.echo(f"skipped: there are no published telegrams in {data / 'protocol'} (FLEXMETER_DATA)", err=True)
        return
    results = [result for name in protocols or PROTOCOLS for result in PROTOCOLS[name](data)]
    for line in table(results):
        click.echo(line)
    for result in results:
        click.echo(result.verdict())
    for result in results:
        for text in [*result.crashed, *result.wrong][:MOST_SHOWN]:
            click.echo(f"{result.protocol}: {text}", err=True)
    summary = [
        {**dataclasses.asdict(one), "wrong": len(one.wrong), "crashed": len(one.crashed), "is_met": one.is_met}
        for one in results
    ]
    report("conformance", {"protocols": summary}, packages=["cbor2", "orjson"])
    sys.exit(int(not all(result.is_met for result in results)))


def table(results: Iterable[Result]) -> list[str]:
    """The results in lines for people."""
    lines = [
        f"{'protocol':<14}{'telegrams':>10}{'decoded':>9}{'values':>8}{'equal':>8}{'wrong':>7}{'crashed':>9}  rejected"
    ]
    for one in results:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(one.rejected.items())) or "none"
        lines.append(
            f"{one.protocol:<14}{one.telegrams:>10}{one.decoded:>9}{one.values:>8}{one.equal:>8}"
            f"{len(one.wrong):>7}{len(one.crashed):>9}  {reasons}"
        )
    return lines


if __name__ == "__main__":
    main()
