"""Where a record stands in Kafka."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record stands in Kafka, and since when, ms UTC."""

    topic: str
    partition: int
    offset: int
    written_at: int = 0

    def __str__(self) -> str:
        """As dead letters name it.

        >>> str(Origin("meter.readings", 3, 4711))
        'meter.readings/3/4711'
        """
        return f"{self.topic}/{self.partition}/{self.offset}"
