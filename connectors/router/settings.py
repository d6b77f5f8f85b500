"""What the settings of all receivers have in common."""

import ssl
from collections.abc import Collection, Iterator
from urllib.parse import urlsplit

from schemas.faults import Fault, Faults, choose_one_of
from schemas.topology_model import Router


def url_faults(router: Router) -> Iterator[tuple[str, str, str]]:
    """What is wrong with the URL."""
    try:
        url = urlsplit(router.url)
        good = bool(url.hostname) and url.port != 0
    except ValueError:
        good = False
    if not good:
        yield "url", "no host, or no port that can be", "write scheme://host:port"


def unknown_options(router: Router, known: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Options that the receiver does not know."""
    for option in router.options:
        if option not in known:
            yield option, "unknown option", choose_one_of(option, known)


def tls_context(router: Router) -> ssl.SSLContext:
    """TLS that trusts the authorities of `ca_file`, or the system's where there is none.

    Raises:
        Faults: the file cannot be read.

    """
    path = router.options.get("ca_file", "")
    try:
        return ssl.create_default_context(cafile=path or None)
    except OSError as error:  # ssl.SSLError is one
        message = f"router {router.name}: ca_file {path!r}: {error}"
        raise Faults("topology", [Fault(0, message, "name a file of PEM certificates")]) from error
