"""Which alerts a rule wants."""

from collections.abc import Iterable

from schemas.alert import STATES, Alert, is_at_least
from schemas.topology_model import Rule

RAISED, UPDATED, CLEARED = STATES
PROVISIONAL = "provisional"
"""The phase, in an outage's evidence, of one that is published at once and may be taken back."""


def wants(rule: Rule, alert: Alert, told: bool) -> bool:
    """Whether the rule wants the alert to be delivered to a receiver that was, or was not, told of it before.

    The first that the receiver hears of an alert counts as raised, whatever happened before. Of what it was told, it is
    told to the end, wherever that moves and however harmless it becomes: what is cleared has the severity info. Of what
    it was never told, it need not be told that it is over.
    """
    state = alert.state if told or alert.state == CLEARED else RAISED
    if (rule.kinds and alert.kind not in rule.kinds) or (rule.states and state not in rule.states):
        return False
    if told or state == CLEARED:
        return told
    severe = not rule.severity or is_at_least(alert.severity, rule.severity)
    return severe and (not rule.areas or any(alert.lies_in(area) for area in rule.areas))


def hold_off_s(rules: Iterable[Rule], alert: Alert, told: bool) -> int | None:
    """How long the alert is to wait for something surer; None where no rule wants it.

    Only outages that are provisional wait, and of several rules that want one, the most impatient holds.
    """
    wanting = [rule.hold_off_s for rule in rules if wants(rule, alert, told)]
    if not wanting:
        return None
    return min(wanting) if alert.evidence.get("phase") == PROVISIONAL else 0
