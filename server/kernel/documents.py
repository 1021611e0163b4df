"""Settings that an owner can change at run time: one JSON document per area in the `settings` table, a pydantic model.

    SMS = Document("sms", SmsSettings)

Steps read it inside their transaction with `load`. Handlers that need it at every request use `latest`, which is at most
three seconds old and current in the process that made a change.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from pydantic_core import PydanticCustomError
from sqlalchemy import bindparam, select
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.kernel.context import App
from server.kernel.sql import Conn, Statement, Tx
from server.schema import settings

TOPIC = "settings"
INPUT_ERROR = "input_error"
# Validation context for stored documents. Validators that became stricter must accept stored values: otherwise an upgrade
# would lose the settings of an area.
STORED = {"stored": True}
CACHE_S = 3.0

M = TypeVar("M", bound=BaseModel)

_GET = Statement(select(settings.c.value).where(settings.c.name == bindparam("name")))
_insert = insert(settings).values(name=bindparam("name"), value=bindparam("value"), updated_at=bindparam("now"))
_PUT = Statement(
    _insert.on_conflict_do_update(
        index_elements=["name"], set_={"value": _insert.excluded.value, "updated_at": _insert.excluded.updated_at}
    )
)


def input_error(code: str, sentence: str, **params: Any) -> PydanticCustomError:
    """The error a validator raises about a person's input. The response has `code` and `params`, which the console
    translates.

    A plain `ValueError` would reach the screen as "texts.0: Value error, …".
    """
    return PydanticCustomError(INPUT_ERROR, "{sentence}", {"code": code, "sentence": sentence, "params": params})


def publish_change(tx: Tx, name: str) -> None:
    """Tells caches and open consoles that the settings of this name changed."""
    tx.publish(TOPIC, name)


class Document(Generic[M]):
    """The settings of one area; the model's defaults until they are saved."""

    def __init__(self, name: str, model: type[M]) -> None:
        self.name, self.model = name, model

    def load(self, conn: Conn) -> M:
        return self.model.model_validate(conn.value(_GET, name=self.name) or {}, context=STORED)

    def save(self, tx: Tx, value: M) -> M:
        tx.run(_PUT, name=self.name, value=value.model_dump(mode="json"), now=tx.now)
        publish_change(tx, self.name)
        return value

    def cached(self, app: App) -> Cached[M]:
        return app.part(_Documents, _Documents).cached(self)

    def latest(self, app: App) -> Awaitable[M]:
        return self.cached(app).get()


class Cached(Generic[M]):
    """The document, at most three seconds old. A published change makes the next `get` read it again."""

    def __init__(self, app: App, document: Document[M]) -> None:
        self._app, self._document = app, document
        self._value: M | None = None
        self._until = 0.0
        app.bus.watch(TOPIC, self)

    @property
    def latest(self) -> M:
        """The document as `get` last read it, or the defaults before the first `get`."""
        return self._value if self._value is not None else self._document.model()

    @property
    def stale(self) -> bool:
        """Whether `get` would read the database."""
        return self._value is None or self._app.clock.monotonic() >= self._until

    def on_published(self, topic: str, hint: Any) -> None:
        self._until = 0.0

    def on_broadcast(self, topic: str, payload: dict[str, Any]) -> None: ...

    async def get(self) -> M:
        if self._value is None or self.stale:
            self._until = self._app.clock.monotonic() + CACHE_S
            self._value = await self._app.read(self._document.load)
        return self._value


class _Documents:
    """The documents that this process has cached."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._cached: dict[Document[Any], Cached[Any]] = {}

    def cached(self, document: Document[M]) -> Cached[M]:
        entry = self._cached.get(document)
        if entry is None:
            entry = self._cached[document] = Cached(self._app, document)
        return entry
