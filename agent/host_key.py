"""The Ed25519 host key of the Bee's console, made on first use; the Queen pins its public half."""

from __future__ import annotations

from pathlib import Path

from agent.identity import write_private


def private_key_path(home: Path) -> Path:
    return home / "ssh_host_key"


def public_key_line(home: Path) -> str:
    """`ssh-ed25519 AAAA…`. Read from a file after the first time: a start need not load cryptography."""
    private, public = private_key_path(home), home / "ssh_host_key.pub"
    if not (private.exists() and public.exists()):
        _make(private, public)
    return public.read_text().strip()


def _make(private: Path, public: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    line = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    public.unlink(missing_ok=True)
    private.unlink(missing_ok=True)
    write_private(private, text.decode())
    public.write_text(line.decode() + "\n")
