"""Devices that speak the real protocols: homes, heat stations and substations with known truth, and replayed ones.

    grid      who hangs where, and the register file
    homes     appliances, occupancy, sun: power of every home at an instant
    world     what every meter shows at an instant: registers, voltages, losses, heat
    payloads  a reading or an event as the bytes a device sends
    recording, replay, garbage   recorded data as any number of meters, with faults on request
    uplink, coap_uplink   several MQTT connections, or every meter by CoAP itself; what was acknowledged
    live, run the loops

Everything but `uplink`, `coap_uplink`, `live` and `run` is pure: same seed, same bytes.
"""
