"""The three outcomes of handling a datum.

    Rejected     this datum is bad; trying again cannot help   -> dead letter, count by reason, acknowledge
    Unavailable  the world is away (broker, database)          -> back off for ever, acknowledge nothing
    any other    our bug                                       -> log where, exit non-zero, so that a restart replays

Only the loops (bridge, agent, sink) catch these; what they drive just raises.
"""

from enum import StrEnum


class Reason(StrEnum):
    """Why a datum was rejected: the closed set behind the metric label and the dead-letter column."""

    EMPTY = "empty"
    TOO_LARGE = "too_large"
    ENCODING = "encoding"
    MALFORMED = "malformed"
    CHECKSUM = "checksum"
    UNSUPPORTED = "unsupported"
    KEY = "key"
    DECRYPT = "decrypt"
    UNKNOWN_PROFILE = "unknown_profile"
    UNKNOWN_METER = "unknown_meter"
    WRONG_PROFILE = "wrong_profile"
    FORBIDDEN = "forbidden"
    REPLAYED = "replayed"
    KEY_REUSED = "key_reused"
    UNKNOWN_EVENT = "unknown_event"
    FIELD = "field"
    UNIT = "unit"
    VALUE = "value"
    TIME = "time"
    SCHEMA = "schema"
    INSERT = "insert"
    UNDELIVERED = "undelivered"


class Rejected(Exception):
    """This datum is bad.

    >>> str(Rejected(Reason.UNIT, "energy is in 'kg', expected kWh, Wh or MWh"))
    "unit: energy is in 'kg', expected kWh, Wh or MWh"
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Unavailable(Exception):
    """The world is away: `what` names the part, `detail` says what it answered.

    >>> str(Unavailable("kafka", "connection refused"))
    'kafka is unavailable: connection refused'
    """

    def __init__(self, what: str, detail: str) -> None:
        super().__init__(f"{what} is unavailable: {detail}")
        self.what = what
        self.detail = detail
