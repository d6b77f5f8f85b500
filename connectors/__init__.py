"""Where FLEXMETER meets the world: bridges (MQTT ...), decoders, Kafka's producing side, and sinks.

Imports `schemas` and nothing else of the project.
"""
