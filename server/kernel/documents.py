"""What an owner can change at run time: one JSON document per area in the `settings` table, as a pydantic model.

    SMS = Document("sms", SmsSettings)

Steps read it inside their transaction with `load`; handlers that ask at every request use `latest`, which is as of
at most three seconds ago, and at once where the change was made.
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
UNFIT = "unfit"
CACHE_S = 3.0

M = TypeVar("M", bound=BaseModel)

_GET = Statement(select(settings.c.value).where(settings.c.name == bindparam("name")))
_put = insert(settings).values(name=bindparam("name"), value=bindparam("value"), updated_at=bindparam("now"))
_PUT = Statement(
    _put.on_conflict_do_update(
        index_elements=["name"], set_={"value": _put.excluded.value, "updated_at": _put.excluded.updated_at}
    )
)


def unfit(code: str, sentence: str) -> PydanticCustomError:
    """What a validator raises where a person typed something: `code` is the answer's, and the console has words for it.

    A plain `ValueError` would reach the screen as "texts.0: Value error, …".
    """
    return PydanticCustomError(UNFIT, "{sentence}", {"code": code, "sentence": sentence})


class Document(Generic[M]):
    """One area's settings. A document that was never saved is the model's defaults."""

    def __init__(self, name: str, model: type[M]) -> None:
        self.name, self.model = name, model

    def load(self, conn: Conn) -> M:
        return self.model.model_validate(conn.value(_GET, name=self.name) or {})

    def save(self, tx: Tx, wanted: M) -> M:
        tx.run(_PUT, name=self.name, value=wanted.model_dump(mode="json"), now=tx.now)
        tx.ring(TOPIC)
        return wanted

    def cached(self, app: App) -> Cached[M]:
        part = f"document:{self.name}"
        found = app.parts.get(part)
        if found is None:
            found = app.parts[part] = Cached(app, self)
        assert isinstance(found, Cached)
        return found

    def latest(self, app: App) -> Awaitable[M]:
        return self.cached(app).get()


class Cached(Generic[M]):
    """The document as of at most three seconds ago; a doorbell makes it look again at once."""

    def __init__(self, app: App, document: Document[M]) -> None:
        self._app, self._document = app, document
        self._value: M | None = None
        self._until = 0.0
        app.bus.watch(TOPIC, self)

    @property
    def latest(self) -> M:
        """As last looked at; `get` was awaited before, when the caller's connection began."""
        return self._value if self._value is not None else self._document.model()

    def heard(self, topic: str, hint: Any) -> None:
        self._until = 0.0

    def whispered(self, topic: str, payload: dict[str, Any]) -> None: ...

    async def get(self) -> M:
        now = self._app.clock.monotonic()
        if self._value is None or now >= self._until:
            self._until = now + CACHE_S
            self._value = await self._app.read(self._document.load)
        return self._value
