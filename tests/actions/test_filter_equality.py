"""The two back ends of filters mean the same: SQL for everybody, and memory for one person, now and when the clock moves.

The full form is `python -m pytest tests/actions/test_filter_equality.py --full-filters`.
"""

from __future__ import annotations

import pytest

from server.audiences.conditions import KINDS
from server.kernel.sql import Tx
from tests.filter_trees import Maker, compare, counted
from tests.world import World

PEOPLE, TREES, FULL = 60, 300, 2_000


@pytest.mark.parametrize("seed", range(2))
async def test_both_back_ends_find_the_same_people_at_every_moment(
    world: World, seed: int, request: pytest.FixtureRequest
) -> None:
    full = request.config.getoption("--full-filters")
    number = (FULL if full else TREES) // 2
    maker = Maker(seed, world.now)

    def fill(tx: Tx) -> None:
        maker.fill(tx, PEOPLE)
        maker.segments(tx)

    await world.app.write(fill)
    trees = [maker.tree() for _ in range(number)]

    changing = 0
    for tree in trees:
        changing += await world.app.read(compare, tree, world.now) > 0
    assert changing > number // 5  # the clock matters for many of them
    assert min(counted(trees)[kind] for kind in KINDS) >= (50 if full else 5)
