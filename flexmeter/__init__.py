"""The command line, the local stack, the fleet and the page: what wires streams and connectors together."""
