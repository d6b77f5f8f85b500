"""Kafka, mosquitto and (for tests) clickhouse-server on this machine: configured, started, watched, stopped."""
