"""What everything agrees on: records, quantities, profiles, the codec, errors, and the topology with its checks.

Imports nothing else of the project.
"""
