"""Decoders: pure functions from payload bytes to readings and events, or Rejected. No I/O, no clock."""
