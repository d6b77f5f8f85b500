"""Answers to requests of streams: hours computed again from the readings that ClickHouse holds."""
