"""What a blocked person sent cannot be opened by its address (AMB-5)."""

from __future__ import annotations

from tests.online import Online


async def test_files_of_a_blocked_person_are_not_there_for_agents_until_the_block_is_lifted(online: Online) -> None:
    ana, olga = await online.agent("ana", socket=False), await online.agent("olga", socket=False)
    zoe = await online.world.visitor()
    theirs = await zoe.uploads(b"a picture", "rude.bin")
    ticket = (await zoe.says("Look", files=(theirs,))).ticket
    ours = await ana.desk.uploads(b"a price list", "prices.bin")
    await ana.desk.replies(ticket, "Here", files=(ours,))
    for token in (theirs, ours):
        assert (await ana.get(f"/files/{token}")).status == 200
    await ana.desk.blocks(ticket.contact)
    assert (await ana.get(f"/files/{theirs}")).status == (await olga.get(f"/files/{theirs}")).status == 404
    assert (await ana.get(f"/files/{ours}")).status == 200, "what the team sent stays"
    await olga.desk.unblocks(ticket.contact)
    assert (await ana.get(f"/files/{theirs}")).status == 200
