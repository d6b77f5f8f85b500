"""What is fast and how right it is, and how that is measured.

The first word of a module's name says its subject; MODULE_load, _check, _plot ... belong to MODULE. What has a `main`
is run as `python -m bench.MODULE`, alone or by the command below, and writes results/MODULE.json (with - for _, as a
rule); `python -m bench.performance` makes docs/performance.md of these.

    subject                     modules                                                          command
    bridges                     bridge (of MQTT), amqp, http, coap, register, last_gasp,         make bench
                                overload (with Quota.java)
    decoders                    codec, decode, dlms                                              make bench
    sink, routers, dashboards   sink, router, dashboards_speed and _data                         make bench
    streams that judge          anomaly, nilm_cost, nilm_kafka, outage_speed with outage_city    make bench
    the engine and `metering`   engine, metering, restart, latency; with workload, live_blocks,  make bench-engine
                                contestants, heat, agreement, minute_mean, state_traffic, peers/
    right on published bytes    conformance, with layouts/                                       make conformance
    right on broken bytes       fuzz                                                             make fuzz
    right in judging            accuracy, which runs nab, meter_faults, nilm, outage_accuracy    make accuracy NAME=...
    right in all, kills or not  proof                                                            make proof
    right in spite of faults    faults                                                           make faults
    growth over hours           soak, on the stack of proof_stack                                make soak

All share report (a result with its command and machine) and process (what one takes of the machine). outage with
indices, nilm_curves, nilm_homes, nilm_library and nilm_voltage are run by hand: docs/outage.md, docs/nilm.md.
"""
