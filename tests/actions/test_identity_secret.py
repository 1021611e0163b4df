"""Rotating the secret that signs customers' identities keeps the old secret valid for a day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import jwt
import pytest

from server.accounts import identity_secrets, queries
from server.errors import SignInRequired
from server.web import auth
from tests.world import World


async def _identify(world: World, secret: str) -> Any:
    claims = {"sub": "customer-1", "exp": int((world.clock.now() + timedelta(minutes=5)).timestamp())}
    return await auth.visitor_identity(world.app, None, jwt.encode(claims, secret, algorithm="HS256"))


async def test_both_secrets_are_valid_for_a_day_after_a_rotation_and_then_only_the_new_one(world: World) -> None:
    owner = await world.agent("olga")
    old_secret = auth.identity_secret(world.app, (await world.app.read(queries.identity_rotation)).number)
    rotated = await world.app.write(identity_secrets.rotate, owner.agent, "127.0.0.1")
    auth.expire_rotation(world.app)
    new = auth.identity_secret(world.app, rotated.number)
    assert new != old_secret
    assert (await _identify(world, new)).key == (await _identify(world, old_secret)).key == "ext:customer-1"
    await world.advance(hours=25)
    assert (await _identify(world, new)).key == "ext:customer-1"
    with pytest.raises(SignInRequired):
        await _identify(world, old_secret)
