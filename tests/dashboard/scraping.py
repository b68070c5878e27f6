"""``/metrics`` as Prometheus' own parser reads it."""

from __future__ import annotations

from dataclasses import dataclass

import httpx
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families


@dataclass
class Scrape:
    """One answer of ``/metrics``."""

    text: str

    def __post_init__(self) -> None:
        self.families: list[Metric] = list(text_string_to_metric_families(self.text))

    def get(self, name: str, **labels: str) -> float | None:
        """The one sample with this name and these labels among others; None without it."""
        found = self.all(name, **labels)
        assert len(found) < 2, found
        return found[0] if found else None

    def all(self, name: str, **labels: str) -> list[float]:
        """The values of all samples with this name and these labels among others."""
        return [
            sample.value
            for family in self.families
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]


def scraped(http: httpx.Client) -> Scrape:
    """What ``/metrics`` says now."""
    return Scrape(http.get("/metrics").raise_for_status().text)
