"""The operators there are, by the name that topology.yaml, metrics, tables and test cases use."""

from streams.anomaly import Anomaly
from streams.area_presence import AreaPresence
from streams.contract import Operator
from streams.feeder_load import FeederLoad
from streams.heard import Heard
from streams.last_gasp import LastGasp
from streams.meter_fault import MeterFault
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
    SubstationBalance(),
    Nilm(),
    Heard(),
    Outage(),
    AreaPresence(),
)
OPERATORS = {operator.name: operator for operator in _ALL}
