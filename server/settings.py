"""Every setting, with its unit, default and reason. Read from the environment or a `.env` file.

Names are `THREADLINE_<NAME>`; `DATABASE_URL`, `REDIS_URL` and `PORT` are also understood bare, as
hosts of Procfile programs set them. README's table is checked against this file.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="THREADLINE_", env_file=".env", extra="ignore", populate_by_name=True)

    public_url: str = Field(
        "http://localhost:8000",
        description="Address under which browsers reach the server; links and Origin checks use it.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 behind a proxy on another machine.")
    port: int = Field(
        8000, ge=0, le=65535, validation_alias=AliasChoices("THREADLINE_PORT", "PORT"), description="Port to listen on."
    )
    data_dir: Path = Field(
        Path("data"), description="Folder of the SQLite file, attachments and the secret key; mode 0700."
    )
    database_url: str | None = Field(
        None,
        validation_alias=AliasChoices("THREADLINE_DATABASE_URL", "DATABASE_URL"),
        description="PostgreSQL address. Empty: one SQLite file in the data folder, for exactly one process.",
    )
    redis_url: str | None = Field(
        None,
        validation_alias=AliasChoices("THREADLINE_REDIS_URL", "REDIS_URL"),
        description="Redis address; carries doorbells between processes. Empty: inside one process.",
    )
    secret_key: str | None = Field(
        None,
        description="At least 32 characters; signs visitor tokens and derives all other keys. Empty: made at first start in the data folder. All processes need the same.",
    )
    sqlite_sync: Literal["FULL", "NORMAL"] = Field(
        "FULL",
        description="FULL: an acknowledged message survives power loss. NORMAL: only a crash; faster on slow disks.",
    )
    reserve_mb: int = Field(
        16,
        ge=0,
        le=1024,
        description="Megabytes kept back beside the SQLite file, so that on a full disk owner and admins can still sign in and make room. 0: none.",
    )
    writer_queue: int = Field(
        10_000, ge=1, description="Writes that may wait for the database; more are answered 'busy'."
    )
    pg_writers: int = Field(4, ge=1, le=32, description="Writing connections to PostgreSQL per process.")
    pg_readers: int = Field(3, ge=1, le=32, description="Reading connections to PostgreSQL per process.")
    pg_prepare: bool = Field(True, description="Prepared statements; turn off behind PgBouncer in transaction pooling.")
    trusted_proxies: str = Field(
        "127.0.0.1,::1",
        description="Comma-separated addresses whose X-Forwarded-For is believed; all others are ignored.",
    )
    max_upload_mb: int = Field(15, ge=1, le=200, description="Largest attachment, in megabytes.")
    visitor_messages_per_minute: int = Field(40, ge=1, description="Messages one visitor may send in a minute.")
    address_connects_per_minute: int = Field(
        240, ge=1, description="Sockets and polls one address may open in a minute."
    )
    address_sockets: int = Field(
        400, ge=1, description="Visitor sockets and open polls one address may hold at a time."
    )
    max_sockets: int = Field(
        20_000, ge=1, description="Visitor sockets and open polls a process holds at most; more are asked to come back."
    )
    session_days: int = Field(30, ge=1, le=365, description="Days after which an agent must sign in again.")
    session_idle_days: int = Field(7, ge=1, le=365, description="Days without use after which a session ends.")
    login_attempts: int = Field(
        10, ge=1, description="Wrong passwords per account, and tenfold per address, in 15 minutes."
    )
    twilio_url: str = Field(
        "https://api.twilio.com",
        description="Address of Twilio's REST interface, or of a stand-in that speaks it.",
    )
    metrics: bool = Field(False, description="Serve Prometheus figures at /metrics.")
    metrics_token: str | None = Field(
        None, description="Bearer token that /metrics asks for. Empty: only from this machine."
    )
    log_format: Literal["console", "json"] = Field("console", description="json for log collectors.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least important level that is logged."
    )
    mode: Literal["production", "development"] = Field(
        "production",
        description="development adds the demo shop and a stand-in SMS carrier with its Phone page; never on a public server.",
    )
    demo_url: str | None = Field(
        None,
        description="Address of the demo shop; another site than public_url shows the widget as customers meet it.",
    )
    failpoints: str = Field("", description="For fault tests only: places at which to stop, see kernel/failpoints.py.")

    @field_validator("public_url", "demo_url")
    @classmethod
    def _origin(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError("must look like https://chat.example.com, without a path")
        return f"{parts.scheme}://{parts.netloc}".lower()

    @field_validator("database_url")
    @classmethod
    def _postgres(cls, value: str | None) -> str | None:
        if not value:
            return None
        if not value.startswith(("postgres://", "postgresql://", "postgresql+psycopg://")):
            raise ValueError("must be a postgresql:// address; leave it empty to use SQLite")
        return value

    @property
    def secure(self) -> bool:
        """Cookies may be `Secure` and `__Host-` only where the public address is https."""
        return self.public_url.startswith("https://")

    def postgres_dsn(self) -> str:
        assert self.database_url is not None
        return self.database_url.replace("postgresql+psycopg://", "postgresql://", 1)

    def sqlalchemy_url(self) -> str:
        """For Alembic."""
        if self.database_url is None:
            return f"sqlite:///{self.sqlite_path()}"
        return "postgresql+psycopg://" + self.postgres_dsn().split("://", 1)[1]

    def sqlite_path(self) -> Path:
        return self.data_dir / "threadline.db"

    def files_dir(self) -> Path:
        return self.data_dir / "files"

    def file_path(self, token: str) -> Path:
        """Of one attachment; spread over folders by the token's first characters, which are random."""
        return self.files_dir() / token[:2] / token

    def key_path(self) -> Path:
        return self.data_dir / "secret.key"

    def secret(self) -> bytes | None:
        """The key everything is derived from: the setting, or the file of the first start. None: there is neither.

        Raises `ValueError` with a sentence when it is too weak to be one. It makes none up.
        """
        if self.secret_key:
            if weak(self.secret_key):
                raise ValueError(
                    "THREADLINE_SECRET_KEY is too weak: use at least 32 random characters, "
                    'for example from: python -c "import secrets; print(secrets.token_urlsafe(48))"'
                )
            return self.secret_key.encode()
        path = self.key_path()
        if not path.exists():
            return None
        key = path.read_text().strip()
        if weak(key):
            raise ValueError(
                f"The key in {path} is short or simple, so it is not the one that was made there. "
                "Put the right secret.key back, from where you keep a copy."
            )
        return key.encode()

    def make_secret(self) -> bytes:
        """A new key in the data folder (0600), whole and on disk or not at all. The caller knows that none was lost."""
        key = secrets.token_urlsafe(48)
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        partial = self.key_path().with_suffix(".part")
        partial.unlink(missing_ok=True)
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(key)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(self.key_path())
        return key.encode()


def weak(key: str) -> bool:
    return len(key) < 32 or len(set(key)) < 10
