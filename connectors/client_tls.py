"""TLS of a bridge towards its broker."""

import ssl
from collections.abc import Mapping

OPTIONS = ("ca_file", "cert_file", "key_file")
"""Who signs the broker's certificate, unless the system knows; the bridge's own certificate and its key."""


def client_context(options: Mapping[str, str]) -> ssl.SSLContext:
    """What these options say; raises OSError for a file that cannot be used."""
    context = ssl.create_default_context(cafile=options.get("ca_file") or None)
    if options.get("cert_file"):
        context.load_cert_chain(options["cert_file"], options.get("key_file") or None)
    return context
