"""The audit log names the actor: an agent, a visitor, the system, a flow, an import or an API key."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from sqlalchemy import create_engine

from server.audit.actions import record
from server.audit.rules import ActedBy, ActorType
from server.schema import audit
from tests.world import World


async def test_old_lines_of_the_audit_log_name_the_actor(world: World) -> None:
    olga = await world.agent("olga")

    def store_old_lines(tx: Any) -> None:
        tx.run(audit.delete())
        for user, address in ((olga.id, "203.0.113.7"), (None, "203.0.113.7"), (None, "")):
            tx.run(audit.insert().values(at=tx.now, user_id=user, action="login", detail={}, address=address))

    await world.app.write(store_old_lines)
    migration = import_module("migrations.versions.0015_actors_and_api_keys")
    engine = create_engine(world.app.settings.sqlalchemy_url())
    with engine.begin() as connection:
        migration.fill(connection)
    engine.dispose()
    logged = [(row.actor_type, row.actor_id) for row in await world.rows(audit)]
    assert logged == [("agent", olga.id), ("visitor", None), ("system", None)]


async def test_a_new_line_of_the_audit_log_names_the_actor(world: World) -> None:
    key = ActedBy(ActorType.API_KEY, 7, "Shop sync")

    def write(tx: Any) -> None:
        tx.run(audit.delete())
        for actor, address in ((3, "203.0.113.7"), (key, "203.0.113.7"), (None, "203.0.113.7"), (None, "")):
            record(tx, actor, "login", "", address)

    await world.app.write(write)
    logged = [(row.actor_type, row.actor_id, row.user_id) for row in await world.rows(audit)]
    assert logged == [("agent", 3, 3), ("api_key", 7, None), ("visitor", None, None), ("system", None, None)]
