"""Telegrams as the golden folders of tests/cases write them."""

import json
from dataclasses import asdict
from typing import Any

from connectors.decode.telegram import Telegram


def described(telegram: Telegram) -> dict[str, Any]:
    """All that a telegram says; what is empty is left out."""
    written = {name: value for name, value in asdict(telegram).items() if value not in ("", (), None, -1)}
    written["measured"] = [
        {name: value for name, value in asdict(one).items() if value != ""} for one in telegram.measured
    ]
    return json.loads(json.dumps(written))  # type: ignore[no-any-return]
