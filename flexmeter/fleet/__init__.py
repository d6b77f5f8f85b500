"""Devices that speak the real protocols: both pilots with known truth, and replayed recordings.

    grid      who hangs where in Malmö, and the register file
    homes     appliances, occupancy, sun: power of every home at an instant
    world     what every meter of Malmö shows at an instant: registers, voltages, losses, heat
    turin     the same of Turin: ST-I meters, heat, water, adapters, NILM meters, hubs
    payloads, speak/   a reading or an event as the bytes a device sends
    live, turin_live   who sends what when
    recording, replay, garbage   recorded data as any number of meters, with faults on request
    uplink, direct_uplink, uplinks   gateways at the MQTT broker; devices that speak for themselves; both
    coap_client, http_client, amqp_client   how those speak
    sources, trust, certificate   what the bridges must be told to let them in
    run       the loops

Pure (same seed, same bytes) is everything that decides what is sent: all up to `garbage`.
"""
