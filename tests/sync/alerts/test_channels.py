"""What arrives at a hook, a Slack-compatible one and a mail server; where hooks may not lead."""

from __future__ import annotations

import base64
import datetime as dt
import email
import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import pytest

from sync.alerts.channels import send, signature
from sync.alerts.notices import Message
from sync.alerts.posting import Undelivered, public
from sync.config.alerting import ChannelKind, ChannelSettings, EmailSettings, Encryption, HookSettings
from sync.secrets import Secret
from tests.sync.alerts.receivers import Hook, hook, mailbox, trusted_certificate

NOW = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
SECRET = "whsec_" + base64.b64encode(b"canary-of-the-hook").decode()
MESSAGE = Message("msg_1", NOW, "segsync: drift <shop>: WARNING", "Others & more.", {"type": "alert.changed"})


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    return trusted_certificate(tmp_path, monkeypatch)


@pytest.fixture
def receiver(pair: tuple[Path, Path]) -> Iterator[Hook]:
    with hook(*pair) as made:
        yield made


def secret(name: str) -> Secret:
    return Secret.parse(f"env:{name}", folder=Path())


def channel(url: str | Secret, kind: ChannelKind = ChannelKind.WEBHOOK) -> ChannelSettings:
    return ChannelSettings("ops", kind, HookSettings(url, secret("HOOK_SECRET")))


def test_the_signature_is_that_of_the_standard() -> None:
    found = signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        key="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_hook_can_verify_who_has_sent_what_it_got(receiver: Hook) -> None:
    send(channel(receiver.url), MESSAGE, now=NOW, internal=[f"localhost:{receiver.port}"])
    (post,) = receiver.posts
    signed = f"msg_1.{int(NOW.timestamp())}.".encode() + post.body
    expected = hmac.new(b"canary-of-the-hook", signed, hashlib.sha256).digest()
    assert post.headers["webhook-id"] == "msg_1"
    assert post.headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert base64.b64decode(post.headers["webhook-signature"].removeprefix("v1,")) == expected


def test_slack_gets_a_text_in_which_nothing_is_a_link(
    receiver: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLACK", receiver.url)
    slack = channel(secret("SLACK"), ChannelKind.SLACK)
    send(slack, MESSAGE, now=NOW, internal=[f"localhost:{receiver.port}"])
    (post,) = receiver.posts
    assert post.document == {"text": "*segsync: drift &lt;shop&gt;: WARNING*\nOthers &amp; more."}


def test_an_email_goes_over_tls_with_one_message_id_at_every_try(
    pair: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with mailbox(*pair) as box:
        monkeypatch.setenv("MAIL", box.password)
        way = EmailSettings(
            "localhost",
            box.port,
            Encryption.STARTTLS,
            "segsync@example.org",
            ("a@example.org", "b@example.org"),
            user=box.user,
            password=secret("MAIL"),
        )
        ops = ChannelSettings("ops", ChannelKind.EMAIL, way)
        send(ops, MESSAGE, now=NOW)
        send(ops, MESSAGE, now=NOW + dt.timedelta(hours=1))
        monkeypatch.setenv("MAIL", "wrong")
        with pytest.raises(Undelivered, match="does not take the user and password") as refused:
            send(ops, MESSAGE, now=NOW)
    assert "wrong" not in str(refused.value)
    first, second = (email.message_from_bytes(bytes(one.content or b"")) for one in box.mails)
    assert box.mails[0].rcpt_tos == ["a@example.org", "b@example.org"]
    assert first["Message-ID"] == second["Message-ID"] == "<msg_1@example.org>"
    assert first["Subject"] == MESSAGE.title
    assert first.get_payload().strip() == MESSAGE.text


@pytest.mark.parametrize("status", [302, 404, 500])
def test_only_a_good_answer_counts_and_nothing_is_followed(receiver: Hook, status: int) -> None:
    receiver.status = status
    with pytest.raises(Undelivered, match=f"answered {status}"):
        send(channel(receiver.url), MESSAGE, now=NOW, internal=[f"localhost:{receiver.port}"])
    assert len(receiver.posts) == 1


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "127.1", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]",
        "10.0.0.1", "169.254.169.254", "224.0.0.1",
    ],
)  # fmt: skip
def test_a_hook_never_leads_into_the_own_network(host: str) -> None:
    with pytest.raises(Undelivered) as refused:
        send(channel(f"https://{host}/hook"), MESSAGE, now=NOW)
    assert "127.0.0.1" not in str(refused.value)


def test_a_port_must_be_named_too(receiver: Hook) -> None:
    with pytest.raises(Undelivered, match="refused"):
        send(channel(receiver.url), MESSAGE, now=NOW, internal=["localhost:443"])
    assert receiver.posts == []


def test_a_secret_address_is_not_repeated_when_it_cannot_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK", "http://example.org/canary")
    with pytest.raises(Undelivered) as refused:
        send(channel(secret("SLACK"), ChannelKind.SLACK), MESSAGE, now=NOW)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111"])
def test_the_public_internet_is_public(address: str) -> None:
    assert public(address)


@pytest.mark.parametrize(
    "address", ["192.0.0.8", "ff02::1", "2002:7f00:1::", "fec0::1", "2001:db8::1", "0.0.0.0"]
)
def test_other_nets_are_not(address: str) -> None:
    assert not public(address)
