"""The local page and, under it, ClickHouse's HTTP interface for reading what the embedded database holds."""
