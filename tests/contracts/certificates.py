"""Certificates made on the spot with openssl: each signs itself."""

import subprocess
from pathlib import Path
from typing import Any

from attrs import frozen


@frozen
class Identity:
    """Files of a certificate and its key."""

    certificate: Path
    key: Path

    def options(self, trusted: "Identity | None" = None) -> dict[str, Any]:
        """As an engine takes them that trusts `trusted`, by default itself."""
        authorities = (trusted or self).certificate
        return {
            "tls_certificate": self.certificate,
            "tls_key": self.key,
            "tls_authorities": authorities,
        }


def make_identity(
    folder: Path, name: str = "exchange", *, names: str = "IP:127.0.0.1", ended: bool = False
) -> Identity:
    """Write a new certificate and its key; files of that name are replaced. It has `ended`, or will not for long."""
    made = Identity(folder / f"{name}.pem", folder / f"{name}.key")
    start, end = ("20200101000000Z", "20200201000000Z") if ended else ("20200101000000Z", "20991231000000Z")
    (folder / "index").write_text("")
    (folder / "configuration").write_text(CONFIGURATION.format(names=names))
    key = f"ecparam -name prime256v1 -genkey -noout -out {made.key}"
    request = f"req -new -key {made.key} -subj /CN={name} -out request -config configuration"
    sign = f"ca -batch -selfsign -notext -config configuration -keyfile {made.key} -in request -out {made.certificate}"
    for command in (key, request, f"{sign} -startdate {start} -enddate {end}"):
        subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True, timeout=20)
    return made


CONFIGURATION = """\
[req]
distinguished_name = name
[name]
[ca]
default_ca = own
[own]
database = index
new_certs_dir = .
rand_serial = yes
default_md = sha256
unique_subject = no
policy = policy
x509_extensions = extensions
[policy]
commonName = supplied
[extensions]
subjectAltName = {names}
basicConstraints = critical, CA:FALSE
"""
