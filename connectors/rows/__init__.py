"""What each record says, as rows of ClickHouse tables: pure functions, one for each type of record.

Which columns a table has and what they mean stands in `tables/*.sql`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from connectors.origin import Origin
from connectors.rows import of_alerts, of_blocks, of_master_data, of_results
from connectors.table_rows import Rows
from schemas.alert import Alert, AlertDelivery, AlertMark
from schemas.blocks import Beat, DeadLetter, EventBlock, ReadingBlock
from schemas.master_data import GridBlock, HomeRequestBlock, PlannedWorkBlock
from schemas.results import (
    Account,
    AggregateBlock,
    AnomalyScoreBlock,
    ApplianceEnergyBlock,
    ApplianceEventBlock,
    HeardBlock,
    HourlyLoadBlock,
    LoadBlock,
    PartialLoadBlock,
    PresenceBlock,
    RecomputeRequestBlock,
    ReliabilityBlock,
)


def nothing(
    record: Beat | PartialLoadBlock | HourlyLoadBlock | HeardBlock | PlannedWorkBlock, origin: Origin
) -> list[Rows]:
    """No row: a beat is a clock; the others are on their way to a stream: what they tell is in tables of its own, or in
    the register.
    """
    return []


ROWS: Mapping[type[Any], Callable[[Any, Origin], list[Rows]]] = {
    ReadingBlock: of_blocks.readings,
    EventBlock: of_blocks.events,
    AggregateBlock: of_results.aggregates,
    PresenceBlock: of_results.presence,
    RecomputeRequestBlock: of_results.recompute_requests,
    Account: of_results.account,
    DeadLetter: of_blocks.dead_letter,
    Alert: of_alerts.alert,
    AlertMark: of_alerts.alert_mark,
    AlertDelivery: of_alerts.alert_delivery,
    LoadBlock: of_results.loads,
    ApplianceEventBlock: of_results.appliance_events,
    ApplianceEnergyBlock: of_results.appliance_energy,
    AnomalyScoreBlock: of_results.anomaly_scores,
    HomeRequestBlock: of_master_data.home_requests,
    Beat: nothing,
    PartialLoadBlock: nothing,
    HeardBlock: nothing,
    GridBlock: of_master_data.grid_nodes,
    PlannedWorkBlock: nothing,
    ReliabilityBlock: of_results.reliability,
    HourlyLoadBlock: nothing,
}
"""Record type -> its rows. A record that is not here belongs in no table."""
