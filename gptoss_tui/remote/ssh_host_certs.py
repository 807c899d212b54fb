"""Host certificates, before asyncssh judges them: it shows us the key that signed, and no more.

So it would take a certificate of a revoked key, and refuse a plain key that is on file because it
does not know the authority that signed the key as well. OpenSSH does neither.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import asyncssh
from asyncssh.public_key import SSHOpenSSHCertificate, decode_ssh_certificate

Verdict = Literal["certificate", "plain", "refuse"]
"""Go by the certificate, by the key in it as if it had none, or not on at all."""


def judge_certificates(
    connection: asyncssh.SSHClientConnection,
    judge: Callable[[SSHOpenSSHCertificate], Verdict],
) -> None:
    """Ask `judge` about each host certificate that this connection is shown.

    Its key exchanges call `validate_server_host_key`, which is wrapped, for this one object.
    """
    validate = connection.validate_server_host_key

    def judged(key_data: bytes) -> asyncssh.SSHKey:
        data, certificate = key_data, _certificate(key_data)
        if certificate is not None:
            verdict = judge(certificate)
            if verdict == "refuse":
                raise asyncssh.HostKeyNotVerifiable("Host key is revoked")
            if verdict == "plain":
                data = certificate.key.public_data
        return validate(data)

    connection.validate_server_host_key = judged  # type: ignore[method-assign]


def _certificate(data: bytes) -> SSHOpenSSHCertificate | None:
    try:
        found = decode_ssh_certificate(data)
    except asyncssh.KeyImportError:
        return None
    return found if isinstance(found, SSHOpenSSHCertificate) else None
