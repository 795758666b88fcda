"""No secret stands in a config, and none appears in a message, a repr or a log."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from sync.config.tokens import looks_like
from sync.secrets import Secret, SecretError, SecretSource
from tests.sync.config.platforms import load_text, problems_of

TOKENS = [
    "pat-na1-8f14e45f-ceea-467f-a0e6-1f4e0e5c1234",
    "pk_0123456789abcdef0123456789abcdef01",
    "0123456789abcdef0123456789abcdef-us21",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP",
    "postgresql://segsync:correct-horse@db.example.com/x",
    "00D5g000004ABCD!AQEAQKx0123456789abcdef",
    "postgresql://db.example.com/shop?user=reader&password=correct-horse",
]


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize(
    "where",
    [
        '[names]\nprefix = "{}"',
        'rules_dir = "{}"',
        '# the key is {}\nrules_dir = "rules"',
        '[connections.n]\nplatform = "letters"\nlist = "a"\napi_key = "{}"',
        '[connections.n]\nplatform = "letters"\napi_key = "env:A"\nlist = "{}"',
        '[connections.n]\nplatform = "letters"\napi_key = "env:{}"\nlist = "a"',
        '[connections.f]\nplatform = "files"\nurl = "x"\n[connections.f.contacts]\nkey = ["{}"]',
        '[connections.f]\nplatform = "{}"',
        '[fields.a]\nfrom = ["{}.x"]',
        '[fields.a]\nfrom = ["shop.x"]\nmeaning = """\nlong\n{}"""',
        '[trust]\norder = ["{}"]',
        '[trust]\n"{}" = 1',
        '["{}"]\nx = 1',
        '[connections."{}"]\nplatform = "letters"',
        '[identity]\nblocked = ["{}"]',
    ],
)
def test_a_pasted_token_is_an_error_that_does_not_repeat_it(tmp_path: Path, token: str, where: str) -> None:
    complaints = problems_of(tmp_path, where.replace("{}", token))
    assert any("this looks like" in complaint for complaint in complaints)
    said = "\n".join(complaints)
    assert token not in said
    assert not any(token[start : start + 9] in said for start in range(len(token) - 9))


def test_a_token_in_broken_toml_is_not_repeated_either(tmp_path: Path) -> None:
    for token in TOKENS:
        for text in (f"key = {token}", f'key = "{token}', f'["{token}"]\n["{token}"]', f"{token}"):
            assert token not in "\n".join(problems_of(tmp_path, text))


@pytest.mark.parametrize(
    "harmless",
    [
        "pk_customer", "pk_customer_2", "sk_segment", "path-na1", "pat-a", "newsletter-us2", "eu-us1",
        "a36b032126",
        "env:MAILCHIMP_KEY", "file:/run/secrets/mailchimp", "https://example.com/a:b", "sqlite:///segsync.db",
        "basic facts about customers", "http://127.0.0.1:8081/3.0", "eyJ", "Europe/Berlin",
    ],
)  # fmt: skip
def test_ordinary_words_are_not_taken_for_tokens(harmless: str) -> None:
    assert looks_like(harmless) is None


def test_a_literal_where_a_secret_belongs_is_an_error_even_if_it_looks_like_nothing(tmp_path: Path) -> None:
    for literal in ("hunter2", "environment", "env", "env:", "file:", "env:two words", "ENV:KEY"):
        text = f'[connections.n]\nplatform = "letters"\nlist = "a"\napi_key = "{literal}"'
        (complaint,) = problems_of(tmp_path, text)
        assert complaint.startswith("config.toml:4: connections.n.api_key: ")
        assert "hunter2" not in complaint


def test_a_secret_shows_three_stars_wherever_it_is_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGSYNC_TEST_KEY", "hunter2")
    secret = Secret.parse("env:SEGSYNC_TEST_KEY", folder=Path("/"))
    assert secret.reveal() == "hunter2"
    assert (repr(secret), str(secret), f"{secret}", f"{secret!r:>5}") == ("***", "***", "***", "  ***")
    assert secret.reference == "env:SEGSYNC_TEST_KEY"
    assert copy.copy(secret) == pickle.loads(pickle.dumps(secret)) == secret
    assert b"hunter2" not in pickle.dumps(secret)


def test_a_secret_in_a_file_is_read_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hunter2\n")
    secret = Secret.parse("file:key", folder=tmp_path)
    assert secret == Secret(SecretSource.FILE, str(tmp_path / "key"))
    assert secret.reveal() == "hunter2"


def test_a_secret_that_cannot_be_had_says_which_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SEGSYNC_TEST_KEY", raising=False)
    with pytest.raises(SecretError, match="SEGSYNC_TEST_KEY is not set"):
        Secret.parse("env:SEGSYNC_TEST_KEY", folder=tmp_path).reveal()
    monkeypatch.setenv("SEGSYNC_TEST_KEY", " ")
    with pytest.raises(SecretError, match="is not set"):
        Secret.parse("env:SEGSYNC_TEST_KEY", folder=tmp_path).reveal()
    with pytest.raises(SecretError, match="No such file"):
        Secret.parse("file:none", folder=tmp_path).reveal()
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(SecretError, match="is empty"):
        Secret.parse("file:empty", folder=tmp_path).reveal()
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    with pytest.raises(SecretError, match="not a UTF-8 text"):
        Secret.parse("file:binary", folder=tmp_path).reveal()


def test_a_secret_file_that_others_can_read_is_a_warning_and_no_error(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("hunter2")
    text = '[connections.n]\nplatform = "letters"\nlist = "a"\napi_key = "file:key"'
    key.chmod(0o600)
    assert problems_of(tmp_path, text) == []
    key.chmod(0o640)
    settings = load_text(tmp_path, text)
    (warning,) = settings.warnings
    assert "can be read by other users" in warning.message
    assert warning.line == 4
    assert "hunter2" not in str(warning)


def test_a_setting_that_is_no_secret_may_still_come_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_text(tmp_path, '[connections.f]\nplatform = "files"\nurl = "env:WAREHOUSE"')
    monkeypatch.setenv("WAREHOUSE", "postgresql://reader:hunter2@db/shop")
    assert settings.connections["f"].revealed()["url"] == "postgresql://reader:hunter2@db/shop"
    assert "hunter2" not in repr(settings)
