"""A key obliges its meter: what is said of a meter that has keys counts only where one of them protected it.

Whoever may report for a meter could else say in the clear, or under the key of another meter, what it never measured.
A meter's keys are those under its own identity, or under the name that the register gives (keys.py); so for DLMS, whose
keys are under a system title, the register says which title is a meter's.
"""

from connectors.decode.readings import Address, Decode, Decoded
from connectors.decode.telegram import Keys, Telegram
from schemas.errors import Reason, Rejected


def check_protected(telegram: Telegram, keys: Keys) -> None:
    """Raise Rejected, `Reason.KEY`, for a telegram that none of its meter's keys has opened or authenticated."""
    own = tuple(keys(telegram.meter))
    if not own:
        return
    if not telegram.security:
        raise _in_the_clear(telegram.meter)
    holder = telegram.key_holder or telegram.meter
    if holder != telegram.meter and tuple(keys(holder)) != own:
        raise Rejected(Reason.KEY, f"of {telegram.meter}, which has keys, and under the key of {holder}")


def decode_clear(payload: bytes, address: Address, received_at: int, decode: Decode, keys: Keys) -> Decoded:
    """What `decode` says of a payload that is never protected; Rejected, `Reason.KEY`, where a meter of it has keys."""
    decoded = decode(payload, address, received_at)
    meters = [reading.meter for reading in decoded.readings] + [event.meter for event in decoded.events]
    for meter in dict.fromkeys(meters):
        if tuple(keys(meter)):
            raise _in_the_clear(meter)
    return decoded


def _in_the_clear(meter: str) -> Rejected:
    return Rejected(Reason.KEY, f"of {meter}, which has keys, and in the clear")
