"""`python -m dashboards` writes the dashboards and alert rules that Grafana is given."""

import json
from pathlib import Path

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards import alerts, anomalies, fleet, grid, heat, home, live, meter, outage, outages, pipeline, rules, water

FOLDER = Path(__file__).parent / "grafana"
PAGES = {
    "dashboards/metering": (live, fleet, grid, outages, outage, meter, home, heat, water, anomalies, alerts),
    "dashboards/operations": (pipeline,),
}
_GENERATED = "# Written by `python -m dashboards` from dashboards/rules.py.\n"


class _Dumper(yaml.SafeDumper):
    """YAML in which text of several lines stands as it is."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None),
)


def files() -> dict[str, str]:
    """Path below `grafana/` -> what stands in it."""
    written: dict[str, str] = {}
    boards: list[Dashboard] = []
    for folder, modules in PAGES.items():
        for module in modules:
            board = module.dashboard()
            boards.append(board)
            text = json.dumps(board, cls=JSONEncoder, indent=2, ensure_ascii=False)
            written[f"{folder}/{board.uid}.json"] = text + "\n"
    made = yaml.dump(rules.provisioning(boards), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    written["provisioning/alerting/rules.yaml"] = _GENERATED + made
    return written


def main() -> None:
    """Write them all."""
    for name, text in files().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
