"""A CoAP bridge as its users run it, and libcoap's clients: ones that nobody here wrote."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from flexmeter.local.ports import HOST, free_port
from tests.bridge_process import Place, make_place

KEYS = {"m1": b"0123456789abcdef", "m2": b"fedcba9876543210", "head-end": b"0011223344556677"}
PRINCIPALS = "identity,meters\n*,{identity}\nhead-end,*\n"


def coap_place(
    folder: Path, kafka: str, prefix: str, *, secured: bool, decoder: str = "senml", **options: str
) -> Place:
    """A topology with one CoAP bridge, which listens at a free port, with these options besides its keys."""
    url = f"{'coaps' if secured else 'coap'}://{HOST}:{free_port()}"
    entry: dict[str, object] = {"protocol": "coap", "decoder": decoder, "url": url, "anonymous": not secured}
    entry["options"] = options
    if secured:
        entry["options"] = {"psk_file": str(folder / "psk.csv"), **options}
        entry["principals"] = str(folder / "principals.csv")
        write_keys(folder, KEYS)
        (folder / "principals.csv").write_text(PRINCIPALS)
    return make_place(folder, kafka, url, prefix, entry)


def write_keys(folder: Path, keys: dict[str, bytes]) -> None:
    """The file of keys, swapped as a whole."""
    (folder / "psk.new").write_text(
        "identity,key\n" + "".join(f"{identity},{key.hex()}\n" for identity, key in keys.items())
    )
    (folder / "psk.new").replace(folder / "psk.csv")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client printed: the last response's code, type, and all of its log."""

    code: str
    kind: str
    max_age: int | None
    text: str


def post(place: Place, path: str, body: bytes, *options: str, client: str = "notls", wait_s: int = 20) -> Answer:
    """POST with libcoap's client of that build. It exits with 0 even where it had no answer: then `code` is empty."""
    return answer_of(start_post(place, path, body, *options, client=client, wait_s=wait_s))


def start_post(
    place: Place, path: str, body: bytes, *options: str, client: str = "notls", wait_s: int = 20
) -> "subprocess.Popen[str]":
    """The same, under way."""
    with NamedTemporaryFile(dir=place.folder, delete=False) as file:
        file.write(body)
    argv = [f"coap-client-{client}", "-v", "6", "-m", "post", "-B", str(wait_s), *options, "-f", file.name]
    return subprocess.Popen(
        [*argv, f"{place.url}/{path}"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )


def answer_of(process: "subprocess.Popen[str]") -> Answer:
    """Waits for the client's end."""
    text, _ = process.communicate(timeout=60)
    found = re.findall(r"v:1 t:(ACK|CON|NON) c:([245]\.\d\d).*?\[(.*?)\]", text)
    kind, code, options = found[-1] if found else ("", "", "")
    max_age = re.search(r"Max-Age:(\d+)", options)
    return Answer(code, kind, int(max_age[1]) if max_age else None, text)


def as_device(identity: str, key: bytes | None = None) -> tuple[str, ...]:
    """Options of a client that speaks DTLS with that identity, and its key unless another is given."""
    return ("-u", identity, "-k", (key or KEYS[identity]).decode())
