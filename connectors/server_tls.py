"""TLS of our own servers: the certificate, read again when it is renewed, and whom clients' certificates name."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connectors.watched import Watched
from schemas.faults import Fault, Faults

OPTIONS = ("cert_file", "key_file", "ca_file")


class ServerTls:
    """A server's TLS by the options of its bridge: `cert_file`, `key_file`, and `ca_file` for clients' certificates.

    Raises:
        Faults: a file cannot be used.

    """

    def __init__(self, options: Mapping[str, str], client_must: bool) -> None:
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._key = options.get("key_file") or None
        beside = [Path(self._key)] if self._key else []
        self._certificate = Watched(Path(options.get("cert_file", "")), self._load, beside)
        if options.get("ca_file"):
            self.context.verify_mode = ssl.CERT_REQUIRED if client_must else ssl.CERT_OPTIONAL
            self._trust(options["ca_file"])

    def refresh(self, now_s: float) -> None:
        """New connections get the renewed certificate."""
        self._certificate.refresh(now_s)

    def _load(self, path: Path) -> None:
        try:
            # A certificate that does not fit its key is refused, but the old key is gone from the context by then.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(path, self._key)
            self.context.load_cert_chain(path, self._key)
        except (OSError, ssl.SSLError) as error:
            raise Faults(str(path), [Fault(0, f"no certificate with its key: {error}", "give both in PEM")]) from None

    def _trust(self, ca_file: str) -> None:
        try:
            self.context.load_verify_locations(ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Faults(ca_file, [Fault(0, f"no certificates: {error}", "give those of the CA in PEM")]) from None


def common_name(certificate: Mapping[str, Any] | None) -> str:
    """The name in a verified certificate, as ssl.SSLSocket.getpeercert tells it; empty = there is none.

    >>> common_name({"subject": ((("organizationName", "x"),), (("commonName", "hub-7"),))})
    'hub-7'
    """
    for part in (certificate or {}).get("subject", ()):
        for key, value in part:
            if key == "commonName":
                return str(value)
    return ""
