"""A certificate for a server on this machine, signed by itself."""

import ipaddress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_GOOD_FOR = timedelta(days=365)
_NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "flexmeter on this machine")])


def keep_certificate(certificate: Path, key: Path) -> None:
    """A certificate for 127.0.0.1 and localhost in PEM; one that is there and good for another day stays."""
    if key.exists() and certificate.exists():
        there = x509.load_pem_x509_certificate(certificate.read_bytes())
        if there.not_valid_after_utc > datetime.now(UTC) + timedelta(days=1):
            return
    certificate.parent.mkdir(parents=True, exist_ok=True)
    secret = ec.generate_private_key(ec.SECP256R1())
    key.unlink(missing_ok=True)
    key.touch(0o600)
    key.write_bytes(
        secret.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    certificate.write_bytes(_signed(secret).public_bytes(serialization.Encoding.PEM))


def _signed(secret: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    now = datetime.now(UTC)
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    return (
        x509.CertificateBuilder()
        .subject_name(_NAME)
        .issuer_name(_NAME)
        .public_key(secret.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _GOOD_FOR)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(secret, hashes.SHA256())
    )
