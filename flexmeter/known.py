"""What the registries have, for the check of a topology."""

from connectors.decode.mapping import own_mappings
from connectors.registry import DECODERS, RECEIVER_FAULTS, SOURCES, STORED_RECORDS, STORES
from schemas.topology import Known, Signature
from streams.registry import OPERATORS


def known() -> Known:
    """Every protocol, decoder, operator, sink and receiver that this installation can run.

    Raises:
        Faults: the user's own sources are faulty.

    """
    own_mappings()
    return Known(
        protocols=SOURCES,
        decoders=DECODERS,
        operators={
            name: Signature(operator.takes, operator.gives, operator.options) for name, operator in OPERATORS.items()
        },
        sinks=dict.fromkeys(STORES, STORED_RECORDS),
        receivers=RECEIVER_FAULTS,
    )
