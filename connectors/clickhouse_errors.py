"""What ClickHouse's error codes mean for an insert: wait, set the row aside, or stop.

Codes are those of ClickHouse's src/Common/ErrorCodes.cpp [1]. Which of them a retry can cure is judged from where
ClickHouse raises them, and from what other writers found out:
    [1] https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
    [2] https://github.com/ClickHouse/clickhouse-kafka-connect/blob/main/src/main/java/com/clickhouse/kafka/connect/util/Utils.java
        and its page https://clickhouse.com/docs/integrations/kafka/clickhouse-kafka-connect-sink
        (the codes that ClickHouse's own Kafka sink retries)
    [3] https://github.com/vectordotdev/vector/blob/master/src/sinks/clickhouse/service.rs
        (53 and 117 are the data's fault although they come as HTTP 500)
    [4] https://clickhouse.com/docs/sql-reference/statements/create/table#constraints
"""

from collections.abc import Mapping

from schemas.errors import Reason, Rejected, Unavailable

_AWAY: Mapping[int, str] = {
    3: "UNEXPECTED_END_OF_FILE: the connection broke off [2]",
    32: "ATTEMPT_TO_READ_AFTER_EOF: the connection broke off",
    159: "TIMEOUT_EXCEEDED: overloaded [2]",
    164: "READONLY: a replica that follows, or one being maintained [2]",
    173: "CANNOT_ALLOCATE_MEMORY [1]",
    192: "UNKNOWN_USER: as 193 [1]",
    193: "WRONG_PASSWORD: somebody changes it or our settings; the rows are not to blame [1]",
    194: "REQUIRED_PASSWORD: as 193 [1]",
    198: "DNS_ERROR [1]",
    202: "TOO_MANY_SIMULTANEOUS_QUERIES [2]",
    203: "NO_FREE_CONNECTION [2]",
    209: "SOCKET_TIMEOUT [2]",
    210: "NETWORK_ERROR [2]",
    225: "NO_ZOOKEEPER [1]",
    236: "ABORTED: the server is shutting down [1]",
    241: "MEMORY_LIMIT_EXCEEDED: by the server's other work [1]",
    242: "TABLE_IS_READ_ONLY: its replica lost the keeper [2]",
    243: "NOT_ENOUGH_SPACE: until somebody makes room [1]",
    252: "TOO_MANY_PARTS: merges lag behind; our tables have no partitions, its other meaning [2]",
    254: "NO_ACTIVE_REPLICAS [1]",
    279: "ALL_CONNECTION_TRIES_FAILED [1]",
    285: "TOO_FEW_LIVE_REPLICAS [2]",
    286: "UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE [1]",
    289: "REPLICA_IS_NOT_IN_QUORUM [1]",
    319: "UNKNOWN_STATUS_OF_INSERT: perhaps inserted; a repeat replaces it [2]",
    364: "RECEIVED_ERROR_TOO_MANY_REQUESTS [1]",
    394: "QUERY_WAS_CANCELLED: by an operator or a shutdown [1]",
    425: "SYSTEM_ERROR [2]",
    439: "CANNOT_SCHEDULE_TASK: no free thread [1]",
    473: "DEADLOCK_AVOIDED [1]",
    516: "AUTHENTICATION_FAILED: as 193 [1]",
    999: "KEEPER_EXCEPTION [2]",
    1002: "UNKNOWN_EXCEPTION: one of the operating system or the C++ library [2]",
}

_BAD_ROW: Mapping[int, str] = {
    6: "CANNOT_PARSE_TEXT [1]",
    12: "PARAMETER_OUT_OF_BOUND: the driver cannot pack a value [1]",
    27: "CANNOT_PARSE_INPUT_ASSERTION_FAILED [1]",
    38: "CANNOT_PARSE_DATE [1]",
    41: "CANNOT_PARSE_DATETIME [1]",
    53: "TYPE_MISMATCH: also what clickhouse-driver raises for a value that does not fit its column [3]",
    69: "ARGUMENT_OUT_OF_BOUND: a date beyond its type [1]",
    70: "CANNOT_CONVERT_TYPE [1]",
    72: "CANNOT_PARSE_NUMBER [1]",
    117: "INCORRECT_DATA [3]",
    131: "TOO_LARGE_STRING_SIZE [1]",
    321: "VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE [1]",
    349: "CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN [1]",
    407: "DECIMAL_OVERFLOW [1]",
    469: "VIOLATED_CONSTRAINT: a CHECK of tables/*.sql [4]",
}


class ClickHouseFault(Exception):
    """ClickHouse refuses what only a fault of ours can explain: a table or column that is not there, bad SQL ..."""


def fault(code: int, message: str) -> Exception:
    """The exception to raise for an error code of ClickHouse; one that no table lists is a fault of ours.

    >>> fault(469, "Constraint `meter_is_named` is violated")
    Rejected('insert: Constraint `meter_is_named` is violated')
    >>> fault(252, "Too many parts (300)")
    Unavailable('clickhouse is unavailable: Too many parts (300)')
    >>> fault(60, "Table does not exist")
    ClickHouseFault('code 60: Table does not exist')
    """
    if code in _AWAY:
        return Unavailable("clickhouse", message)
    if code in _BAD_ROW:
        return Rejected(Reason.INSERT, message)
    return ClickHouseFault(f"code {code}: {message}")
