"""Every setting, with its unit, default and meaning, read from the environment or a `.env` file.

Names are `THREADLINE_<NAME>`; `DATABASE_URL`, `REDIS_URL` and `PORT` also work without the prefix, because hosts of
Procfile programs set them. A test compares the README's table with this file.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

from pydantic import AliasChoices, Field, PrivateAttr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from server import addresses

if TYPE_CHECKING:
    from sqlalchemy import URL


class Settings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="THREADLINE_", env_file=".env", extra="ignore", populate_by_name=True)

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 behind a proxy on another machine.")
    port: int = Field(
        8000, ge=1, le=65535, validation_alias=AliasChoices("THREADLINE_PORT", "PORT"), description="Port to listen on."
    )
    # Normalised after validation; `public_urls` also contains the spelling that was configured.
    public_url: str = Field(
        "",
        validate_default=True,
        description="Address under which browsers reach the server; links and Origin checks use it. Empty: derived from host and port.",
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
        description="Redis address, for notifications between processes. Empty: notifications stay inside one process.",
    )
    secret_key: str | None = Field(
        None,
        description="At least 32 characters; signs visitor tokens and derives all other keys. Empty: created in the data folder at the first start. All processes need the same key.",
    )
    sqlite_sync: Literal["FULL", "NORMAL"] = Field(
        "FULL",
        description="FULL: an acknowledged message survives power loss. NORMAL: only a crash; faster on slow disks.",
    )
    reserve_mb: int = Field(
        16,
        ge=0,
        le=1024,
        description="Megabytes reserved beside the SQLite file, so that on a full disk owner and admins can still sign in and free space. 0: none.",
    )
    writer_queue: int = Field(
        10_000, ge=1, description="Writes that may wait for the database; further ones are refused with 'busy'."
    )
    pg_writers: int = Field(4, ge=1, le=32, description="Writing connections to PostgreSQL per process.")
    pg_readers: int = Field(3, ge=1, le=32, description="Reading connections to PostgreSQL per process.")
    pg_prepare: bool = Field(True, description="Prepared statements; turn off behind PgBouncer in transaction pooling.")
    trusted_proxies: str = Field(
        "127.0.0.1,::1",
        description="Comma-separated addresses and networks (172.16.0.0/12) of proxies whose X-Forwarded-For is trusted; from others it is ignored.",
    )
    max_upload_mb: int = Field(15, ge=1, le=200, description="Largest attachment, in megabytes.")
    address_uploads: int = Field(
        20, ge=1, description="Files that all visitors at one address may upload at the same time."
    )
    max_uploads: int = Field(
        60, ge=1, description="Files that a process receives at the same time from visitors, and as many from agents."
    )
    visitor_upload_mb: int = Field(150, ge=1, description="Megabytes of files one visitor may send in an hour.")
    address_upload_mb: int = Field(
        1_500, ge=1, description="Megabytes of files all visitors at one address may send in an hour."
    )
    uploads_per_minute: int = Field(
        600, ge=1, description="Files that a process accepts from all visitors together in a minute."
    )
    visitor_disk_percent: int = Field(
        50,
        ge=0,
        le=95,
        description="Share of the disk's free space that visitors' files may take, stored files included; the rest is kept for chat.",
    )
    import_contacts_mb: int = Field(
        50, ge=1, le=2_000, description="Largest CSV of contacts that an import takes, in megabytes (CIM-13)."
    )
    import_other_mb: int = Field(
        28,
        ge=1,
        le=2_000,
        description="Largest import of another format (TXT, XLS, XLSX, ZIP), or with a column of a named consent, in megabytes (CIM-13).",
    )
    import_unpacked_mb: int = Field(
        512, ge=1, le=10_000, description="Megabytes that the files of an imported ZIP may have together when unpacked."
    )
    import_rows: int = Field(2_000_000, ge=1, description="Most rows of one import.")
    import_memory_mb: int = Field(
        1_536,
        ge=256,
        description="Memory of a process that reads an import, in megabytes; a file that needs more is refused.",
    )
    visitor_messages_per_minute: int = Field(
        40,
        ge=1,
        description="Messages one visitor may send in a minute; the limits of other frames are proportional to it.",
    )
    visitor_sockets: int = Field(
        30, ge=1, description="Sockets and open polls (browser tabs) one visitor may have at the same time."
    )
    address_messages_per_minute: int = Field(
        300,
        ge=1,
        description="Messages all visitors at one address may send in a minute, and a tenth as many new chats.",
    )
    address_connects_per_minute: int = Field(
        1_200, ge=1, description="Sockets and polls one address may open in a minute."
    )
    address_sockets: int = Field(
        2_000, ge=1, description="Visitor sockets and open polls one address may have at the same time."
    )
    max_sockets: int = Field(
        20_000,
        ge=1,
        description="Visitor sockets and open polls a process accepts; further ones are told to retry later.",
    )
    session_days: int = Field(30, ge=1, le=365, description="Days after which an agent must sign in again.")
    session_idle_days: int = Field(7, ge=1, le=365, description="Days without use after which a session ends.")
    login_attempts: int = Field(
        10, ge=1, description="Wrong passwords per account, and tenfold per address, in 15 minutes."
    )
    twilio_url: str = Field(
        "https://api.twilio.com",
        description="Address of Twilio's REST API, or of a stand-in for it.",
    )
    shopify_url: str = Field(
        "", description="Address of a stand-in for Shopify's Admin API. Empty: the shop's own domain."
    )
    metrics: bool = Field(False, description="Serve Prometheus metrics at /metrics.")
    metrics_token: str | None = Field(
        None, description="Bearer token that /metrics requires. Empty: /metrics answers only this machine."
    )
    log_format: Literal["console", "json"] = Field(
        "console", description="console for people, json for log collectors."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Lowest level that is logged.")
    mode: Literal["production", "development"] = Field(
        "production",
        description="development adds the demo shop and a stand-in SMS carrier with its Phone page; never on a public server.",
    )
    demo_url: str | None = Field(
        None,
        description="Address of the demo shop; use another site than public_url to see the widget as on a customer's site.",
    )
    failpoints: str = Field(
        "", description="For fault tests only: failpoints and their actions, see kernel/failpoints.py."
    )
    _spelled: dict[str, str] = PrivateAttr(default_factory=dict)  # normalised public URL -> the configured spelling

    @field_validator("public_url")
    @classmethod
    def _public_url(cls, value: str, info: ValidationInfo) -> str:
        value = value.strip()
        if not value:
            if "host" not in info.data or "port" not in info.data:
                return value  # that setting is invalid and has its own error
            value = addresses.local(info.data["host"], info.data["port"])[0]
        addresses.origin(value)
        return value

    @field_validator("demo_url")
    @classmethod
    def _demo_url(cls, value: str | None) -> str | None:
        return addresses.origin(value.strip()) if value and value.strip() else None

    @model_validator(mode="after")
    def _canonical(self) -> Self:
        spelled, self.public_url = self.public_url, addresses.origin(self.public_url)
        self._spelled = {self.public_url: spelled.removesuffix("/")}
        return self

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies(cls, value: str) -> str:
        addresses.networks(value)
        return value

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
        """Whether cookies may be `Secure` and `__Host-`: only if the public URL is https."""
        return self.public_url.startswith("https://")

    @property
    def public_urls(self) -> tuple[str, ...]:
        """The public URL, and its configured spelling if different, because a provider may sign either."""
        spelled = self._spelled.get(self.public_url, self.public_url)
        return (self.public_url,) if spelled == self.public_url else (self.public_url, spelled)

    def postgres_dsn(self) -> str:
        assert self.database_url is not None
        return self.database_url.replace("postgresql+psycopg://", "postgresql://", 1)

    def sqlalchemy_url(self) -> str | URL:
        """The database URL for Alembic. Built from parts, because ?, # and % may be part of a file name."""
        if self.database_url is None:
            from sqlalchemy import URL

            return URL.create("sqlite", database=str(self.sqlite_path().absolute()))
        return "postgresql+psycopg://" + self.postgres_dsn().split("://", 1)[1]

    def sqlite_path(self) -> Path:
        return self.data_dir / "threadline.db"

    def files_dir(self) -> Path:
        return self.data_dir / "files"

    def file_path(self, token: str) -> Path:
        """The path of an attachment. Files are spread over folders by the first characters of their random token."""
        return self.files_dir() / token[:2] / token

    def key_path(self) -> Path:
        return self.data_dir / "secret.key"

    def secret(self) -> bytes | None:
        """The secret key, from the setting or from the key file; None if neither exists. Never creates one.

        Raises `ValueError` with a sentence for the operator if the key is too weak.
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
                f"The key in {path} is short or simple, so it is not the one that was created there. "
                "Put the right secret.key back from your copy."
            )
        return key.encode()

    def make_secret(self) -> bytes:
        """Creates the key file in the data folder (mode 0600), completely and synced, or not at all. The caller has
        checked that no key is lost."""
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


def patterned(key: str) -> bool:
    """Whether a third of the key repeats other parts of it, as in four times `abcdefghij`. A random key never does."""
    pieces = [key[start : start + 4] for start in range(len(key) - 3)]
    return len(set(pieces)) * 3 < len(pieces) * 2
