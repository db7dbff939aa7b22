"""What a mail server says when it does not take a mail, and whether it is worth asking again. Pure."""

from __future__ import annotations

import smtplib

FINAL = 500
"""From this code on an answer holds for good (RFC 5321, section 4.2.1)."""


def refusal(error: Exception) -> tuple[str, bool]:
    """In words, with the server's code; and whether this recipient, or this mail, is refused for good.

    What it says of the Hive itself, of its name, password or sender, an operator can put right meanwhile.
    """
    match error:
        case smtplib.SMTPRecipientsRefused():
            code, said = next(iter(error.recipients.values()))
            return _words(code, said), code >= FINAL
        case smtplib.SMTPResponseException():
            is_final = isinstance(error, smtplib.SMTPDataError) and error.smtp_code >= FINAL
            return _words(error.smtp_code, error.smtp_error), is_final
        case OSError():  # a certificate that is not believed is one, and a ValueError as well
            return str(error) or type(error).__name__, False
        case _:  # a header that can't be written never can
            return str(error), True


def _words(code: int, said: bytes | str) -> str:
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else said
    return f"{code} {' '.join(text.split())}".strip()
