"""`python -m tests.screenshots` writes docs/images: the local page, as someone sees it who runs it for a day."""

import io
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from flexmeter.local.ports import HOST
from tests.browser import tab
from tests.serve_page import served

FOLDER = Path("docs/images")
MOST_BYTES = 200_000
_HOMES = 60


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture: its name, what it shows, and to whom."""

    name: str
    path: str
    width: int = 1440
    height: int = 960
    scheme: str = "light"


SHOTS: Sequence[Shot] = [
    Shot("live", "/"),
    Shot("live-dark", "/", scheme="dark"),
    Shot("grid-dark", "/d/flexmeter-grid", scheme="dark"),
    Shot("meter", "/d/flexmeter-meter?var-meter=E350-00000&from=now-3h&to=now", height=1240),
    Shot("heat-narrow", "/d/flexmeter-heat", width=800, height=1200),
    Shot("outages", "/d/flexmeter-outages?from=now-3h&to=now", height=1340),
    Shot("outage", "/d/flexmeter-outage?from=now-1h&to=now"),
    Shot("alerts", "/d/flexmeter-alerts", height=1240),
    Shot("anomalies", "/d/flexmeter-anomalies", height=1240),
    Shot("home", "/d/flexmeter-home"),
    Shot("water", "/d/flexmeter-water"),
]


def main() -> None:
    """Write each, in a palette of its own, which keeps it small."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, served(Path(name), _HOMES) as port, tab(Path(name) / "profile") as page:
        for shot in SHOTS:
            page.open(f"http://{HOST}:{port}{shot.path}", shot.width, shot.height, shot.scheme)
            page.wait_for("document.documentElement.dataset.turn", 60)
            size = write(page.picture(), FOLDER / f"{shot.name}.png")
            print(f"{FOLDER}/{shot.name}.png  {size:,} bytes")


def write(picture: bytes, path: Path) -> int:
    """Its size in bytes; ValueError if it is too large to be committed."""
    small = io.BytesIO()
    with Image.open(io.BytesIO(picture)) as image:
        image.convert("RGB").quantize(method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(
            small, "PNG", optimize=True
        )
    if small.tell() > MOST_BYTES:
        raise ValueError(f"{path} would be {small.tell():,} bytes")
    path.write_bytes(small.getvalue())
    return small.tell()


if __name__ == "__main__":
    main()
