"""Host certificates, before asyncssh judges them: it shows us the key that signed, and no more.

So it would take a certificate of a revoked key, or one that is signed by an algorithm that is not
wanted, and refuse a plain key that is on file because it does not know the authority that signed the
key as well. OpenSSH does none of that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import asyncssh
from asyncssh.packet import PacketDecodeError, SSHPacket, String
from asyncssh.public_key import SSHOpenSSHCertificate, decode_ssh_certificate

Verdict = Literal["certificate", "plain", "refuse"]
"""Go by the certificate, by the key in it as if it had none, or not on at all."""


def judge_certificates(
    connection: asyncssh.SSHClientConnection,
    judge: Callable[[SSHOpenSSHCertificate, str], Verdict],
) -> None:
    """Ask `judge` about each host certificate of this connection, and the algorithm that signed it.

    Its key exchanges call `validate_server_host_key`, which is wrapped, for this one object.
    """
    validate = connection.validate_server_host_key

    def judged(key_data: bytes) -> asyncssh.SSHKey:
        data, certificate = key_data, _certificate(key_data)
        if certificate is not None:
            verdict = judge(certificate, _signed_by(key_data, certificate))
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


def _signed_by(data: bytes, certificate: SSHOpenSSHCertificate) -> str:
    """The algorithm in the signature, which follows the key that signed; "" where it is not found."""
    *_, signature = data.rpartition(String(certificate.signing_key.public_data))
    try:
        name: bytes = SSHPacket(SSHPacket(signature).get_string()).get_string()
    except PacketDecodeError:
        return ""
    return name.decode("ascii", "replace")
