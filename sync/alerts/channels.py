"""How a message reaches a channel: by e-mail, to a Slack-compatible hook, or to a hook of one's own, signed.

Signatures follow Standard Webhooks (https://www.standardwebhooks.com): id and timestamp are signed with the
body; the id is the same at every try, so that a receiver can tell a repetition.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hmac
import json
import smtplib
import ssl
from collections.abc import Collection
from email.message import EmailMessage
from email.utils import format_datetime

from sync.alerts.notices import Message
from sync.alerts.posting import TIMEOUT_S, Undelivered, post
from sync.config.alerting import ChannelKind, ChannelSettings, EmailSettings, Encryption, HookSettings
from sync.config.alerts import url_problem
from sync.secrets import Secret, SecretError

_PREFIX = "whsec_"


def send(
    channel: ChannelSettings, message: Message, *, now: dt.datetime, internal: Collection[str] = ()
) -> None:
    """Send it; `Undelivered` with the reason if it did not arrive, or may not have."""
    try:
        if isinstance(channel.way, EmailSettings):
            _mail(channel.way, message)
        else:
            _hook(channel.way, channel.kind, message, now=now, internal=internal)
    except SecretError as error:
        raise Undelivered(str(error)) from None


def signature(secret: str, *, key: str, timestamp: int, body: bytes) -> str:
    """`v1,…` of a body. Behind `whsec_` a secret is base64; any other is taken as it is."""
    raw = secret.encode()
    if secret.startswith(_PREFIX):
        try:
            raw = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            raise Undelivered(f"its secret is not base64 behind {_PREFIX}") from None
    signed = hmac.digest(raw, f"{key}.{timestamp}.".encode() + body, "sha256")
    return "v1," + base64.b64encode(signed).decode()


def _hook(
    way: HookSettings, kind: ChannelKind, message: Message, *, now: dt.datetime, internal: Collection[str]
) -> None:
    url = way.url.reveal() if isinstance(way.url, Secret) else way.url
    if url_problem(url):
        raise Undelivered("its address is not one that begins with https://")
    headers = {"Content-Type": "application/json"}
    if kind is ChannelKind.SLACK:
        text = f"*{message.title}*\n{message.text}"
        for sign, name in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
            text = text.replace(sign, name)
        body = json.dumps({"text": text}).encode()
    else:
        body = json.dumps(message.document, separators=(",", ":"), ensure_ascii=False).encode()
        timestamp = int(now.timestamp())
        secret = way.secret.reveal() if way.secret is not None else ""
        headers["webhook-id"] = message.key
        headers["webhook-timestamp"] = str(timestamp)
        headers["webhook-signature"] = signature(secret, key=message.key, timestamp=timestamp, body=body)
    post(url, body, headers, internal=internal)


def _mail(way: EmailSettings, message: Message) -> None:
    mail = EmailMessage()
    mail["Subject"] = message.title
    mail["From"] = way.sender
    mail["To"] = ", ".join(way.recipients)
    mail["Date"] = format_datetime(message.at)
    mail["Message-ID"] = f"<{message.key}@{way.sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text + "\n")
    context = ssl.create_default_context()
    try:
        server: smtplib.SMTP
        if way.encryption is Encryption.TLS:
            server = smtplib.SMTP_SSL(way.host, way.port, timeout=TIMEOUT_S, context=context)
        else:
            server = smtplib.SMTP(way.host, way.port, timeout=TIMEOUT_S)
        with server:
            if way.encryption is Encryption.STARTTLS:
                server.starttls(context=context)
            if way.user is not None and way.password is not None:
                server.login(way.user, way.password.reveal())
            server.send_message(mail)
    except smtplib.SMTPAuthenticationError:
        raise Undelivered("the mail server does not take the user and password") from None
    except smtplib.SMTPNotSupportedError:
        raise Undelivered("the mail server offers no encryption, or no login") from None
    except smtplib.SMTPRecipientsRefused:
        raise Undelivered("the mail server refuses every recipient") from None
    except smtplib.SMTPResponseException as error:
        raise Undelivered(f"the mail server answered {error.smtp_code}") from None
    except ssl.SSLCertVerificationError:
        raise Undelivered("the mail server's certificate is not good for this name") from None
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        raise Undelivered(f"the mail server cannot be reached ({type(error).__name__})") from None
