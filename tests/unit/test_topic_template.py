from dataclasses import replace

import pytest

from connectors.decode.readings import Address, Carries
from connectors.mqtt import MqttSource
from connectors.topic_template import TopicTemplate, address_of, templates_of
from schemas.faults import Faults
from schemas.topology import Bridge

TEMPLATES = [TopicTemplate.parse(f"malmo/{{profile}}/{{meter}}/{carries}") for carries in Carries]
TEMPLATES.append(TopicTemplate.parse("hubs/{identity}/{profile}/reading"))
TEMPLATES.append(TopicTemplate.parse("tele/{meter}/SENSOR -> tasmota_plug/reading"))
TEMPLATES.append(TopicTemplate.parse("{any}/events/{any} -> shelly_3em/event"))


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("malmo/p/m/reading", Address("malmo/p/m/reading", "p", "m", Carries.READING)),
        ("malmo/p/m/event", Address("malmo/p/m/event", "p", "m", Carries.EVENT)),
        ("malmo///reading", Address("malmo///reading", "", "", Carries.READING)),
        ("hubs/h/p/reading", Address("hubs/h/p/reading", "p", "", Carries.READING, "h")),
        ("tele/m/SENSOR", Address("tele/m/SENSOR", "tasmota_plug", "m", Carries.READING)),
        ("s-1/events/rpc", Address("s-1/events/rpc", "shelly_3em", "", Carries.EVENT)),
        ("malmo/p/m/reading/x", Address("malmo/p/m/reading/x", "", "", Carries.READING)),
        ("turin/p/m/reading", Address("turin/p/m/reading", "", "", Carries.READING)),
        ("", Address("", "", "", Carries.READING)),
    ],
)
def test_addresses(topic: str, expected: Address) -> None:
    assert address_of(topic, TEMPLATES) == expected


@pytest.mark.parametrize(
    "text",
    [
        "malmo/{meter}/reading",
        "malmo/{meter}/{meter}/{profile}/reading",
        "malmo/{profile}/{meter}/data",
        "{x}/reading",
        "tele/{meter}/SENSOR -> reading",
        "tele/{meter}/SENSOR -> /reading",
        "tele/{meter}/{profile} -> p/reading",
        "malmo/+/{profile}/reading",
        "",
    ],
)
def test_a_template_that_says_too_little(text: str) -> None:
    with pytest.raises(ValueError, match="level"):
        TopicTemplate.parse(text)


@pytest.mark.parametrize(
    ("subscribe", "url", "options", "words"),
    [
        ("malmo/#", "mqtt://127.0.0.1", {}, "needs the level {profile}"),
        ("malmo/{profile}/{meter}/reading", "mqtt://127.0.0.1:70000", {}, "Port out of range"),
        ("malmo/{profile}/{meter}/reading", "mqtt://127.0.0.1", {"cafile": "x"}, "did you mean 'ca_file'"),
    ],
)
def test_faults_of_an_mqtt_bridge(subscribe: str, url: str, options: dict[str, str], words: str) -> None:
    bridge = Bridge("b", "mqtt", url, (subscribe,), "json", "r", "e", "d", 500, options)
    with pytest.raises(Faults, match=words):
        MqttSource(bridge)


@pytest.mark.parametrize("protocol", ["http", "amqp", "coap"])
def test_only_a_broker_of_mqtt_vouches_for_an_identity_in_an_address(protocol: str) -> None:
    address = "hubs.{identity}.{profile}.reading" if protocol == "amqp" else "hubs/{identity}/{profile}/reading"
    bridge = Bridge("b", protocol, "", (address,), "json", "r", "e", "d", 500, {})
    with pytest.raises(ValueError, match="which says by itself who sends"):
        templates_of(bridge)
    assert templates_of(replace(bridge, protocol="mqtt", subscribe=("hubs/{identity}/{profile}/reading",)))
