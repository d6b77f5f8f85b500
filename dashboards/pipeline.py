"""Pipeline health: the roles themselves, by what they tell Prometheus. docs/operations.md says what to do."""

from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from dashboards.page import PROMETHEUS_SOURCE, Line, page
from dashboards.panels import CRITICAL, FINE, lines, number
from dashboards.queries import promql

_AWAY = [(None, CRITICAL), (1, FINE)]


def dashboard() -> Dashboard:
    """Opens with six hours."""
    return page(
        "flexmeter-pipeline",
        "Pipeline health",
        "Bridges, stream workers and sinks: how much they do, how fast, and what stands in their way.",
        [PROMETHEUS_SOURCE],
        [
            Line(4, [_bridges(), _sinks(), _lag(), _refused()]),
            Line(8, [_received(), _rows(), _inserted()]),
            Line(8, [_in_flight(), _latency(), _insert_time()]),
            Line(8, [_lag_by_topic(), _retries(), _rejected()]),
            Line(8, [_http_answers(), _coap_answers(), _handshakes()]),
            Line(8, [_offsets(), _held(), _turns(), _results()]),
            Line(8, [_save_time(), _restore_time(), _saved(), _seeks()]),
            Line(8, [_recomputed(), _recomputation_open(), _away()]),
            Line(8, [_delivered(), _waiting(), _longest_wait()]),
        ],
    )


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}[$__rate_interval]))"


def _slowest(metric: str, by: str) -> str:
    return f"histogram_quantile(0.99, sum by (le, {by}) (rate({metric}_bucket[$__rate_interval])))"


def _bridges() -> Panel:
    says = "1 while every bridge can reach its source. Nothing is lost while the source keeps what comes."
    return number("Bridges ready", says, "none", promql("min(flexmeter_bridge_ready)", "ready"), _AWAY)


def _sinks() -> Panel:
    says = "1 while every sink finds what it writes to. Nothing is committed meanwhile; the lag is caught up."
    return number("Sinks available", says, "none", promql("min(flexmeter_sink_available)", "available"), _AWAY)


def _lag() -> Panel:
    says = "Records in Kafka that no sink has read yet."
    return number("Lag of the sinks", says, "short", promql("sum(flexmeter_sink_lag_records)", "records"))


def _refused() -> Panel:
    says = "Payloads that bridges could not take, of those they received."
    share = "sum(rate(flexmeter_bridge_rejected_total[1h])) / sum(rate(flexmeter_bridge_received_total[1h]))"
    limits = [(None, FINE), (0.01, CRITICAL)]
    return number("Refused in the last hour", says, "percentunit", promql(share, "refused"), limits)


def _received() -> Panel:
    says = "Payloads from the source, by bridge."
    return lines("Received", says, "cps", promql(_rate("flexmeter_bridge_received_total", "bridge"), "{{bridge}}"))


def _rows() -> Panel:
    says = "Rows that Kafka has taken, by bridge and kind of record."
    metric = _rate("flexmeter_bridge_rows_total", "bridge, record")
    return lines("Rows to Kafka", says, "cps", promql(metric, "{{bridge}} {{record}}"))


def _inserted() -> Panel:
    says = "Rows that ClickHouse has, by table."
    return lines(
        "Rows to ClickHouse", says, "cps", promql(_rate("flexmeter_sink_inserted_rows_total", "table"), "{{table}}")
    )


def _in_flight() -> Panel:
    says = (
        "Payloads received and not yet acknowledged, by bridge. Staying at its bound: Kafka takes less than comes in."
    )
    return lines(
        "In flight", says, "short", promql("sum by (bridge) (flexmeter_bridge_in_flight)", "{{bridge}}"), lowest=0
    )


def _latency() -> Panel:
    says = "From the arrival of a block's oldest row until Kafka has the block: 99 % are faster. By bridge."
    return lines(
        "Latency of the bridges", says, "s", promql(_slowest("flexmeter_bridge_block_seconds", "bridge"), "{{bridge}}")
    )


def _insert_time() -> Panel:
    says = "Time of one insert: 99 % are faster. By sink."
    return lines("Time to insert", says, "s", promql(_slowest("flexmeter_sink_insert_seconds", "sink"), "{{sink}}"))


def _lag_by_topic() -> Panel:
    says = "Records in Kafka that no sink has read yet, by topic. Growing: the sink is slower than what comes."
    return lines(
        "Lag by topic", says, "short", promql("sum by (topic) (flexmeter_sink_lag_records)", "{{topic}}"), lowest=0
    )


def _retries() -> Panel:
    says = "Attempts of the sinks that found ClickHouse or Kafka away."
    return lines("Retries", says, "cps", promql(_rate("flexmeter_sink_retries_total", "what"), "{{what}}"), lowest=0)


def _rejected() -> Panel:
    says = "Payloads, records and rows that went to the dead letters, by reason, at bridges, streams and sinks."
    metrics = ("flexmeter_bridge_rejected_total", "flexmeter_stream_rejected_total", "flexmeter_sink_rejected_total")
    all_of_them = " or ".join(
        f'label_replace({_rate(m, "reason")}, "at", "{m.split("_")[1]}", "", "")' for m in metrics
    )
    return lines("Set aside", says, "cps", promql(all_of_them, "{{at}} {{reason}}"), lowest=0)


def _http_answers() -> Panel:
    says = (
        "Requests answered by the HTTPS bridges, by status: 202 = stored; 429 and 503 grow when Kafka is slow or away."
    )
    metric = _rate("flexmeter_http_answers_total", "bridge, status")
    return lines("Answers by HTTPS", says, "reqps", promql(metric, "{{bridge}} {{status}}"), lowest=0)


def _coap_answers() -> Panel:
    says = "Requests answered by the CoAP bridges, by code: 2.04 = stored; of NON all others are lost."
    metric = _rate("flexmeter_coap_answers_total", "bridge, code, type")
    return lines("Answers by CoAP", says, "reqps", promql(metric, "{{bridge}} {{type}} {{code}}"), lowest=0)


def _handshakes() -> Panel:
    says = (
        "DTLS handshakes by outcome, and datagrams that are no CoAP. Wrong keys and unknown identities: somebody tries."
    )
    outcomes = (
        f'label_replace({_rate("flexmeter_coap_handshakes_total", "bridge, outcome")}, "what", "$1", "outcome", "(.*)")'
    )
    unreadable = f'label_replace({_rate("flexmeter_coap_unreadable_total", "bridge")}, "what", "unreadable", "", "")'
    query = promql(f"{outcomes} or {unreadable}", "{{bridge}} {{what}}")
    return lines("DTLS handshakes", says, "cps", query, lowest=0)


def _offsets() -> Panel:
    says = "Records a second by which the workers get on, by stream. Zero: no beats come, or a worker stands still."
    metric = "sum by (stream) (deriv(flexmeter_next_offset[$__rate_interval]))"
    return lines("Records worked off", says, "cps", promql(metric, "{{stream}}"))


def _held() -> Panel:
    says = "Partitions of its input that a stream's workers work on. Fewer than there are: nobody takes some of them."
    return lines("Partitions held", says, "short", promql("sum by (stream) (flexmeter_partitions_held)", "{{stream}}"))


def _turns() -> Panel:
    says = "Turns closed, by stream; each is one step of the computation."
    return lines("Turns", says, "cps", promql(_rate("flexmeter_turns_total", "stream"), "{{stream}}"))


def _results() -> Panel:
    says = "Records of results sent, by stream and kind."
    metric = _rate("flexmeter_results_total", "stream, record")
    return lines("Results", says, "cps", promql(metric, "{{stream}} {{record}}"))


def _save_time() -> Panel:
    says = "Time to save a shard's state: 99 % are faster. By stream."
    return lines("Time to save", says, "s", promql(_slowest("flexmeter_save_seconds", "stream"), "{{stream}}"))


def _restore_time() -> Panel:
    says = "Mean time to restore a shard's state after a worker began or took over, by stream."
    metric = "sum by (stream) (flexmeter_restore_seconds_sum) / sum by (stream) (flexmeter_restore_seconds_count)"
    return lines("Time to restore", says, "s", promql(metric, "{{stream}}"))


def _saved() -> Panel:
    says = "State written to Kafka, by stream."
    return lines("State written", says, "Bps", promql(_rate("flexmeter_saved_bytes_total", "stream"), "{{stream}}"))


def _seeks() -> Panel:
    says = "Times that a hole or a lost tail was read again, by stream. Steadily: records are lost on the way."
    return lines("Read again", says, "cps", promql(_rate("flexmeter_seeks_total", "stream"), "{{stream}}"), lowest=0)


def _recomputed() -> Panel:
    says = "Hours that were computed again because rows came too late, and the records of results that changed by it."
    metrics = ("flexmeter_recompute_hours_total", "flexmeter_recompute_records_total")
    hours, records = (
        f'label_replace({_rate(metric, "stream")}, "what", "{what}", "", "")'
        for metric, what in zip(metrics, ("hours", "records"), strict=True)
    )
    return lines("Computed again", says, "cps", promql(f"{hours} or {records}", "{{stream}} {{what}}"), lowest=0)


def _recomputation_open() -> Panel:
    says = (
        "Hours asked for and not computed again yet: their meters have not left them behind, or it is slow. By stream."
    )
    metric = "sum by (stream) (flexmeter_recompute_open_hours)"
    return lines("To be computed again", says, "short", promql(metric, "{{stream}}"), lowest=0)


def _away() -> Panel:
    says = "1 while a recomputation finds Kafka or ClickHouse away, or a router its receiver."
    recompute = '"who", "$1", "stream", "(.*)"'
    router = '"who", "$1", "router", "(.*)"'
    metric = (
        f"label_replace(1 - min by (stream) (flexmeter_recompute_available), {recompute})"
        f" or label_replace(1 - min by (router) (flexmeter_router_available), {router})"
    )
    return lines("Away", says, "none", promql(metric, "{{who}}"), lowest=0)


def _delivered() -> Panel:
    says = "Versions of alerts that routers are done with, by outcome, and attempts that found the receiver away."
    rate = _rate("flexmeter_router_settled_total", "router, outcome")
    settled = f'label_replace({rate}, "what", "$1", "outcome", "(.*)")'
    failed = f'label_replace({_rate("flexmeter_router_failed_total", "router")}, "what", "failed", "", "")'
    return lines("Alerts delivered", says, "cps", promql(f"{settled} or {failed}", "{{router}} {{what}}"), lowest=0)


def _waiting() -> Panel:
    says = "Versions of alerts that somebody is to be told of and has not been, by router."
    metric = "sum by (router) (flexmeter_router_waiting)"
    return lines("Alerts waiting", says, "short", promql(metric, "{{router}}"), lowest=0)


def _longest_wait() -> Panel:
    says = "How long the oldest of them waits; after a day it goes to the dead letters."
    metric = "max by (router) (flexmeter_router_oldest_seconds)"
    return lines("Longest wait", says, "s", promql(metric, "{{router}}"), lowest=0)
