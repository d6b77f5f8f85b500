"""What a worker tells Prometheus."""

from prometheus_client import Counter, Gauge, Histogram

TURNS = Counter("flexmeter_turns_total", "Turns closed", ["stream"])
RESULTS = Counter("flexmeter_results_total", "Records of results sent", ["stream", "record"])
REJECTED = Counter("flexmeter_stream_rejected_total", "Records sent to the dead letters", ["stream", "reason"])
SEEKS = Counter("flexmeter_seeks_total", "Times that a hole or a lost tail was read again", ["stream"])
ROWS = Gauge("flexmeter_stream_rows", "Rows received, counted in the shard's state", ["stream", "partition"])
HELD = Gauge("flexmeter_partitions_held", "Partitions that this worker works on", ["stream"])
NEXT_OFFSET = Gauge("flexmeter_next_offset", "Where the shard goes on", ["stream", "partition"])
SAVE_SECONDS = Histogram("flexmeter_save_seconds", "Time to save a shard", ["stream"])
SAVED_BYTES = Counter("flexmeter_saved_bytes_total", "State written", ["stream"])
RESTORE_SECONDS = Histogram("flexmeter_restore_seconds", "Time to restore a shard", ["stream"])
