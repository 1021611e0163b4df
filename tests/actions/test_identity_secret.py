"""The secret with which a shop signs its customers can be made anew without locking the shop out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jwt
import pytest

from server.accounts import identity, queries
from server.errors import SignInRequired
from server.web import auth
from tests.world import World


async def _named(world: World, secret: str) -> Any:
    claims = {"sub": "customer-1", "exp": int((world.clock.now() + timedelta(minutes=5)).timestamp())}
    return await auth.visitor_identity(world.app, None, jwt.encode(claims, secret, algorithm="HS256"))


async def test_after_a_rotation_both_secrets_hold_for_a_day_and_then_only_the_new_one(world: World) -> None:
    owner = await world.agent("olga")
    old = auth.identity_secret(world.app, (await world.app.read(queries.identity_rotation)).number)
    rotated = await world.app.write(identity.rotate, owner.agent, "127.0.0.1")
    auth.forget_rotation(world.app)
    new = auth.identity_secret(world.app, rotated.number)
    assert new != old
    assert (await _named(world, new)).key == (await _named(world, old)).key == "ext:customer-1"
    await world.advance(hours=25)
    assert (await _named(world, new)).key == "ext:customer-1"
    with pytest.raises(SignInRequired):
        await _named(world, old)
