"""`[alerts]` as it is read: channels, what cannot be switched off, and mistakes told with their place."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from sync.config import ConfigError, load
from sync.config.alerting import AlertKind, EmailSettings, Encryption, HookSettings, Level

MAIL = """
[[alerts.channel]]
name = "ops"
kind = "email"
host = "mail.example.org"
from = "segsync@example.org"
to = ["ops@example.org"]
user = "segsync"
password = "env:MAIL_PASSWORD"
minimum = "critical"
triggers = ["quota", "drift"]
mute_until = 2027-01-31
"""
HOOK = """
[[alerts.channel]]
name = "hook"
kind = "webhook"
url = "https://example.org/hook"
secret = "env:HOOK"
"""
SLACK = HOOK.replace("webhook", "slack").replace('secret = "env:HOOK"', "")


def written(folder: Path, text: str) -> Path:
    path = folder / "config.toml"
    path.write_text(text)
    return path


def problems(folder: Path, text: str) -> str:
    with pytest.raises(ConfigError) as wrong:
        load(written(folder, text))
    return str(wrong.value)


def test_channels_are_read(tmp_path: Path) -> None:
    more = '[alerts]\noff = ["run_time"]\nexpect_run_every = "1 day"\ninternal = ["Chat.lan:8443"]\n'
    alerts = load(written(tmp_path, more + MAIL + HOOK)).alerts
    assert (alerts.off, alerts.expect_run_every_s) == (frozenset({AlertKind.RUN_TIME}), 86400)
    assert alerts.internal == ("chat.lan:8443",)
    mail, hook = alerts.channels
    assert isinstance(mail.way, EmailSettings)
    assert isinstance(hook.way, HookSettings)
    assert (mail.way.port, mail.way.encryption) == (587, Encryption.STARTTLS)
    assert (mail.minimum, mail.triggers) == (Level.CRITICAL, (AlertKind.QUOTA, AlertKind.DRIFT))
    assert mail.mute_until == dt.date(2027, 1, 31)
    assert (hook.minimum, hook.triggers, hook.mute_until) == (Level.WARNING, None, None)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MAIL.replace("2027-01-31", "true"), "mute_until: must be a date without quotes"),
        (MAIL.replace("2027-01-31", '"2027-01-31"'), "mute_until: must be a date without quotes"),
        (MAIL.replace("2027-01-31", "2027-01-31T10:00:00"), "mute_until: must be a date without quotes"),
        (MAIL.replace('"env:MAIL_PASSWORD"', '"hunter2"'), "a secret is never written here"),
        (MAIL + 'encryption = "none"', "a password is never sent in the clear"),
        (MAIL.replace('"quota"', '"quotas"'), 'did you mean "quota"?'),
        (HOOK.replace("https:", "http:"), 'must begin with "https://"'),
        (HOOK.replace('secret = "env:HOOK"', ""), "secret is missing"),
        (SLACK, "a secret is never written here"),
        (HOOK + HOOK, "another channel has this name"),
        ('[alerts]\noff = ["run_failed"]', "run_failed cannot be switched off"),
        ('[alerts]\nmuted = true', "unknown key"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, words: str) -> None:
    said = problems(tmp_path, text)
    assert words in said
    assert said.startswith("config.toml:")
    assert "hunter2" not in said
