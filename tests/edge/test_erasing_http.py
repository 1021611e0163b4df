"""Erasing a person over HTTP: who may, what is shown before, what must be typed (IDN-4, ROL-8)."""

from __future__ import annotations

from server.schema import audit, contacts
from tests.online import Online


async def test_idn_4_only_owner_and_admin_erase_after_typing_what_is_shown(online: Online) -> None:
    maria = await online.world.texter("+12025550150", agreed=True)
    await maria.says("Where is my parcel?")
    contact = await maria.contact()
    path = f"/api/contacts/{contact}"
    for name in ("mona", "nils", "cora", "kurt", "ana"):
        desk = await online.agent(name, socket=False)
        assert (await desk.get(f"{path}/erasure")).status == 403
        assert (await desk.post(f"{path}/erase", {"confirm": "+12025550150"})).status == 403
    adam = await online.agent("adam", socket=False)
    shown = (await adam.get(f"{path}/erasure")).json()
    assert (shown["confirm"], shown["removes"]["messages"], shown["numbers"]) == ("+12025550150", 1, 1)
    assert {"ledger", "suppression", "audit"} <= set(shown["remains"]) and shown["ledger_rows"] >= 1
    wrong = await adam.post(f"{path}/erase", {"confirm": "+12025550151"})
    assert (wrong.status, wrong.json()["error"]["code"]) == (422, "not_confirmed")
    assert (await adam.post(f"{path}/erase", {})).status == 422
    assert (await adam.post(f"{path}/erase", {"confirm": "+12025550150"})).status == 200
    (row,) = await online.world.rows(contacts, contacts.c.id == contact)
    assert row.phone is None and row.erased_at is not None
    assert (await adam.get(f"{path}/erasure")).json()["error"]["code"] == "erased"
    assert (await adam.get("/api/contacts/999999/erasure")).status == 404
    (line,) = await online.world.rows(audit, audit.c.action == "contact_erased")
    assert line.target == str(contact) and line.user_id is not None
    found = (await adam.get("/api/find?q=parcel")).json()
    assert not found["tickets"] and "parcel" not in str(found)
