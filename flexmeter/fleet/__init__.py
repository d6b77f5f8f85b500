"""Devices that speak the real protocols: homes, heat stations and substations with known truth, and replayed ones.

    grid      who hangs where, and the register file
    homes     appliances, occupancy, sun: power of every home at an instant
    world     what every meter shows at an instant: registers, voltages, losses, heat
    payloads  a reading or an event as the bytes a device sends
    recording, replay, garbage   recorded data as any number of meters, with faults on request
    uplink    several MQTT connections, what the broker acknowledged
    live, run the loops

Everything but `uplink`, `live` and `run` is pure: same seed, same bytes.
"""
