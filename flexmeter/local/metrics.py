"""Reads what a role on this machine tells Prometheus."""

import http.client
from collections.abc import Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from flexmeter.local.ports import HOST


def scrape(port: int, timeout_s: float = 2.0) -> list[Sample]:
    """All samples; none if nothing answers there (it may be starting again)."""
    link = http.client.HTTPConnection(HOST, port, timeout=timeout_s)
    try:
        link.request("GET", "/metrics")
        text = link.getresponse().read().decode()
    except (OSError, http.client.HTTPException):
        return []
    finally:
        link.close()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


@dataclass(frozen=True, slots=True)
class Series:
    """A metric, those of its series whose labels have these values."""

    name: str
    labels: tuple[tuple[str, str], ...] = ()

    def of(self, samples: Sequence[Sample]) -> list[Sample]:
        """The samples of it."""
        return [s for s in samples if s.name == self.name and all(s.labels.get(k) == v for k, v in self.labels)]

    def total(self, samples: Sequence[Sample]) -> int | None:
        """Their sum; None if there are none.

        >>> Series("rows").total([Sample("rows", {"p": "0"}, 1.0), Sample("rows", {"p": "1"}, 2.0)])
        3
        """
        found = self.of(samples)
        return int(sum(sample.value for sample in found)) if found else None
