"""The operators there are, by the name that topology.yaml, metrics, tables and test cases use."""

from schemas.topology_model import Stream
from streams.anomaly import Anomaly
from streams.area_presence import AreaPresence
from streams.contract import Operator
from streams.feeder_load import FeederLoad
from streams.heard import Heard
from streams.last_gasp import LastGasp
from streams.meter_fault import MeterFault
from streams.neighbours import Neighbours
from streams.nilm.operator import Nilm
from streams.outage.operator import Outage
from streams.presence import Presence
from streams.rolling_load import RollingLoad
from streams.substation_balance import SubstationBalance

_ALL: tuple[Operator, ...] = (
    RollingLoad(),
    FeederLoad(),
    Presence(),
    LastGasp(),
    Anomaly(),
    MeterFault(),
    Neighbours(),
    SubstationBalance(),
    Nilm(),
    Heard(),
    Outage(),
    AreaPresence(),
)
OPERATORS = {operator.name: operator for operator in _ALL}


def operators_of(stream: Stream) -> dict[str, Operator]:
    """The operators of a stream, with what it chooses of them."""
    return {
        name: OPERATORS[name].chosen(stream.options[name]) if name in stream.options else OPERATORS[name]
        for name in stream.operators
    }
