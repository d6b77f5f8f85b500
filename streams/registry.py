"""The operators there are, by the name that topology.yaml, metrics, tables and test cases use."""

from streams.contract import Operator
from streams.last_gasp import LastGasp
from streams.presence import Presence
from streams.rolling_load import RollingLoad

OPERATORS: dict[str, Operator] = {operator.name: operator for operator in (RollingLoad(), Presence(), LastGasp())}
