"""WCAG 2.x AA contrast of the page's colours, light and dark (success criteria 1.4.3 and 1.4.11).

Colours of the dashboards: tests/page/colours.test.mjs.
"""

import re
from pathlib import Path

import pytest

PAGE = Path("flexmeter/page")
TEXT, GRAPHICS = 4.5, 3.0
PAIRS = [
    *((name, ground, TEXT) for name in ("ink", "quiet", "critical", "accent") for ground in ("paper", "card", "hover")),
    *((name, "top", TEXT) for name in ("top-ink", "top-quiet")),
    *((name, ground, GRAPHICS) for name in ("focus", "edge") for ground in ("paper", "card")),
    ("card", "ink", TEXT),  # what an information says
]


def themes() -> list[dict[str, str]]:
    blocks = re.findall(r":root \{(.*?)\}", (PAGE / "page.css").read_text(), re.DOTALL)
    return [dict(re.findall(r"--([\w-]+): (#\w+);", block)) for block in blocks]


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    channels = (int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4))
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "ground", "least"), PAIRS)
def test_contrast(theme: int, front: str, ground: str, least: float) -> None:
    bright, dim = sorted((luminance(themes()[theme][name]) for name in (front, ground)), reverse=True)
    assert (bright + 0.05) / (dim + 0.05) >= least
