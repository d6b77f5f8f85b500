"""What Turin's meters and a household that speaks for itself send: telegrams composed from the standards.

Nothing of connectors.decode is used here, so that a mistake is not made twice.
"""
