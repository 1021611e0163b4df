"""G14: consent can be proven. Every sent message has its evidence, and whatever is done to the ledger by hand is named."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from server.consent import actions, chain, ledger, proof
from server.consent.actions import Change
from server.consent.rules import Method, Purpose, Status
from server.contacts import actions as contacts
from server.contacts.rules import Phone, normal_phone
from server.delivery import actions as delivery
from server.delivery import claiming
from server.delivery.actions import Send
from server.delivery.rules import SenderKind
from server.delivery.senders import Wanted
from server.errors import Refused
from server.kernel.sql import Tx
from server.schema import consent_ledger, outbound, suppressions
from tests.faults.tally import Tally
from tests.sms import open_sms
from tests.world import World, open_world

FILES = ("Spring fair, paper form 3", "Checkout box: “Text me offers”", "Shop window QR: JOIN")
FORM_WORDINGS = ("Yes, text me news and offers.", "I agree to texts about offers, at most four a month.")
GIVEN = datetime(2025, 3, 1, 10, 0, tzinfo=UTC)
SLICE = 200


@dataclass
class Book:
    """What really happened, kept outside the product: who agreed to which words, who said no."""

    wording: dict[int, str] = field(default_factory=dict)
    phone: dict[int, str] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)


async def run(tally: Tally) -> None:
    people, wanted_sends = (10_000, 20_000) if tally.full else (400, 600)
    with tempfile.TemporaryDirectory() as folder:
        async with open_world(Path(folder) / "data", tally.database) as world:
            await open_sms(world, Wanted("+48732000000", SenderKind.LONG_CODE, "PL", rate=1_000_000))
            book = Book()
            await _import(world, tally, book, people)
            for number in range(3):
                await _campaign(world, book, number)
                await _life_goes_on(world, tally, book, number)
            sent = await _evidence(world, tally, book)
            tally.floor("messages sent and exported", sent, wanted_sends)
            await _tampered(world, tally)
            await _erased(world, tally, book)


async def _import(world: World, tally: Tally, book: Book, people: int) -> None:
    """Three files with a wording each, numbers written as people write them, a tenth without consent."""
    rows = []
    for place in range(people):
        digits = f"50{place // 100_000 % 10}{place % 100_000 + 200_000:06d}"
        raw = tally.random.choice(
            (f"+48 {digits}", f"0048{digits}", f"{digits[:3]}-{digits[3:6]}-{digits[6:]}", f"'48{digits}")
        )
        found = normal_phone(raw, "PL")
        assert isinstance(found, Phone), (raw, found)
        rows.append((place, found, tally.random.random() < 0.9))

    def take(tx: Tx, part: list[tuple[int, Phone, bool]]) -> list[tuple[int, str, int]]:
        made = []
        for place, phone, agreed in part:
            contact = contacts.by_phone(tx, phone.e164, phone.e164, phone.country).contact
            file = place % len(FILES)
            made.append((contact, phone.e164, file if agreed else -1))
            if agreed:
                change = Change(
                    contact, Purpose.SMS_MARKETING, Status.SUBSCRIBED, Method.IMPORT, f"import:{file}", FILES[file], "en",
                    GIVEN + timedelta(minutes=place), f"row {place + 2}",
                )  # fmt: skip
                actions.record(tx, change)
        return made

    for start in range(0, people, SLICE):
        for contact, phone, file in await world.app.write(take, rows[start : start + SLICE], bulk=True):
            book.phone[contact] = phone
            if file >= 0:
                book.wording[contact] = FILES[file]
    tally.floor("rows imported from three files", len(book.phone), people)


async def _campaign(world: World, book: Book, number: int) -> None:
    """A promotion to everybody there is; the gate decides for each as it would for a campaign."""

    def queue(tx: Tx, part: list[int]) -> None:
        for contact in part:
            body = f"Offer {number}"
            delivery.queue(
                tx,
                Send(f"c{number}:{contact}", "campaign", "marketing", contact, book.phone[contact], body, priority=20),
            )

    def send(tx: Tx) -> int:
        claims = claiming.claim(tx, 500).claims
        if claims:
            claiming.begin(tx, claims, "https://threadline.example")
        return len(claims)

    everybody = list(book.phone)
    for start in range(0, len(everybody), SLICE):
        await world.app.write(queue, everybody[start : start + SLICE], bulk=True)
    while await world.app.write(send, bulk=True):
        world.clock.advance(timedelta(milliseconds=50))
    world.clock.advance(timedelta(hours=1))


async def _life_goes_on(world: World, tally: Tally, book: Book, number: int) -> None:
    """Some stop, a few of them come back, some agree on a form whose words were changed since."""
    everybody = list(book.phone)
    for contact in tally.random.sample(everybody, len(everybody) // 20):
        stop = functools.partial(actions.stop, source=f"sms:SM{number}x{contact}", wording="STOP", language="en")
        await world.app.write(stop, book.phone[contact], [contact])
        book.stopped.add(contact)
    for contact in tally.random.sample(sorted(book.stopped), len(book.stopped) // 3):
        start = functools.partial(actions.start, source=f"sms:SM{number}y{contact}", wording="START", language="en")
        if (await world.app.write(start, book.phone[contact], [contact])).restored:
            book.wording[contact] = "START"
        book.stopped.discard(contact)
    words = FORM_WORDINGS[number % 2]
    for contact in tally.random.sample(sorted(set(everybody) - book.stopped), len(everybody) // 20):
        change = Change(contact, Purpose.SMS_MARKETING, Status.SUBSCRIBED, Method.FORM, f"form:7@{number}", words, "en")
        recorded = await world.app.write(actions.record, change)
        if recorded.applied:
            book.wording[contact] = words
    world.clock.advance(timedelta(hours=1))


async def _evidence(world: World, tally: Tally, book: Book) -> int:
    """Each message that left, exported; what it shows is held against what the book says."""
    key = world.app.key(chain.PURPOSE)
    rows = await world.rows(outbound, outbound.c.dispatched_at.is_not(None))
    blocked = await world.rows(outbound, outbound.c.state == "skipped")
    incomplete: list[Any] = []
    untrue: list[Any] = []
    for row in rows:
        found = await world.app.read(proof.evidence, key, row.id)
        consents = found["basis"].get("consents", [])
        if not (found["complete"] and len(consents) == 1 and consents[0]["source"] and consents[0]["wording"]):
            incomplete.append((row.id, found["chain"]["findings"], len(consents)))
            continue
        shown = consents[0]
        if shown["address"] != row.recipient or shown["wording"] not in (*FILES, *FORM_WORDINGS, "START"):
            untrue.append((row.id, shown["address"], shown["wording"]))
        elif row.body == "Offer 0" and shown["wording"] != FILES[int(shown["source"].removeprefix("import:"))]:
            untrue.append((row.id, shown["source"], shown["wording"]))
    without = [row.id for row in rows if row.contact_id not in book.wording]
    tally.zero("sends without complete evidence", len(incomplete), incomplete[:5])
    tally.zero("evidence that shows other words or another number than were given", len(untrue), untrue[:5])
    tally.zero("sends to somebody who never agreed", len(without), without[:5])
    tally.floor("sends the gate refused", len(blocked), len(book.phone) // 10)
    return len(rows)


# --- thirty things somebody with the database might do ----------------------------------------------

L, H, C = "consent_ledger", "consent_heads", "consents"
ROW = f"FROM {L} WHERE contact_id = :who AND n = :n"
TAMPERINGS: list[tuple[str, tuple[str, ...], set[str]]] = [
    ("a no made a yes", (f"UPDATE {L} SET status = 'subscribed' WHERE contact_id = :who AND n = :n",), {"altered"}),
    ("a yes made a no", (f"UPDATE {L} SET status = 'unsubscribed' WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("another purpose", (f"UPDATE {L} SET purpose = 'email_marketing' WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("what stood before", (f"UPDATE {L} SET before = 'subscribed' WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("evidence made to count", (f"UPDATE {L} SET applied = NOT applied WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("another method", (f"UPDATE {L} SET method = 'form' WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("another source", (f"UPDATE {L} SET source = 'import:9' WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("another language", (f"UPDATE {L} SET language = 'de' WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("an earlier time", (f"UPDATE {L} SET happened_at = happened_at - 86400000000 WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("a microsecond", (f"UPDATE {L} SET happened_at = happened_at + 1 WHERE contact_id = :who AND n = :n",), {"altered"}),
    ("when it was recorded", (f"UPDATE {L} SET recorded_at = recorded_at - 1 WHERE contact_id = :who AND n = :n",), {"altered"}),
    ("other words", (f"UPDATE {L} SET wording = 'All offers, for ever' WHERE contact_id = :who AND n = 1",), {"field"}),
    ("no words", (f"UPDATE {L} SET wording = '' WHERE contact_id = :who AND n = 1",), {"field"}),
    ("another number", (f"UPDATE {L} SET address = '+48501999999' WHERE contact_id = :who AND n = 1",), {"field"}),
    ("another reason", (f"UPDATE {L} SET reason = 'row 3' WHERE contact_id = :who AND n = 1",), {"field"}),
    ("another salt", (f"UPDATE {L} SET salt = 'AAAAAAAAAAAAAAAAAAAAAA' WHERE contact_id = :who AND n = 1",), {"altered", "field"}),
    ("a borrowed commitment", (f"UPDATE {L} SET commitment = (SELECT commitment FROM {L} WHERE contact_id = :other AND n = 1) WHERE contact_id = :who AND n = 1",), {"altered", "field"}),
    ("another seal on a row", (f"UPDATE {L} SET mac = 'AAAA' WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("a borrowed seal", (f"UPDATE {L} SET mac = (SELECT mac FROM {L} WHERE contact_id = :other AND n = 1) WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("the first row gone", (f"DELETE FROM {L} WHERE contact_id = :who AND n = 1",), {"missing"}),
    ("a row in the middle gone", (f"DELETE FROM {L} WHERE contact_id = :who AND n = 2",), {"missing"}),
    ("the last row gone", (f"DELETE FROM {L} WHERE contact_id = :who AND n = :n",), {"missing"}),
    ("the tail cut, and the head with it", (f"DELETE FROM {L} WHERE contact_id = :who AND n = :n", f"UPDATE {H} SET length = :n - 1, mac = (SELECT mac FROM {L} WHERE contact_id = :who AND n = :n - 1) WHERE contact_id = :who"), {"head"}),
    ("two rows in each other's place", (f"UPDATE {L} SET n = 999 WHERE contact_id = :who AND n = 1", f"UPDATE {L} SET n = 1 WHERE contact_id = :who AND n = 2", f"UPDATE {L} SET n = 2 WHERE contact_id = :who AND n = 999"), {"altered"}),
    ("a yes put in", (f"INSERT INTO {L} (contact_id, n, purpose, before, status, applied, method, salt, commitment, happened_at, recorded_at, mac, source, wording, language, reason, address) SELECT contact_id, n + 1, purpose, before, 'subscribed', applied, method, salt, commitment, happened_at, recorded_at, mac, source, wording, language, reason, address {ROW}",), {"added"}),
    ("a row of somebody else's", (f"UPDATE {L} SET contact_id = :who, n = :n + 1 WHERE contact_id = :other AND n = 1",), {"added", "missing"}),
    ("the head gone", (f"DELETE FROM {H} WHERE contact_id = :who",), {"head", "chain"}),
    ("everything of one contact gone", (f"DELETE FROM {L} WHERE contact_id = :who", f"DELETE FROM {H} WHERE contact_id = :who", f"DELETE FROM {C} WHERE contact_id = :who"), {"chain"}),
    ("a standing made a yes", (f"UPDATE {C} SET status = 'subscribed', method = 'form' WHERE contact_id = :who AND purpose = 'sms_marketing'",), {"standing"}),
    ("a standing gone", (f"DELETE FROM {C} WHERE contact_id = :who AND purpose = 'sms_marketing'",), {"standing"}),
    ("a standing out of nothing", (f"INSERT INTO {C} (contact_id, purpose, status, method, source, happened_at, recorded_at, taken) SELECT contact_id, 'email_marketing', 'subscribed', 'form', 'form:1', happened_at, recorded_at, taken FROM {C} WHERE contact_id = :who AND purpose = 'sms_marketing'",), {"standing"}),
    ("what START would give back", (f"UPDATE {C} SET taken = NOT taken WHERE contact_id = :who AND purpose = 'sms_marketing'",), {"standing"}),
    ("the register gone", ("DELETE FROM consent_register",), {"register"}),
    ("a chain forgotten in the register", ("UPDATE consent_register SET chains = chains - 1",), {"register"}),
]  # fmt: skip


class _Back(Refused):
    """Undoes what was done by hand; a refusal is no fault of the server's, so it fills no log."""

    def __init__(self) -> None:
        super().__init__("undone", "Nothing happened.")


def _tamper(
    tx: Tx, statements: tuple[str, ...], values: dict[str, int], key: bytes, found: list[proof.Tampering]
) -> None:
    for statement in statements:
        for name, value in values.items():
            statement = statement.replace(f":{name}", str(value))
        tx._execute(statement, ())
    found.extend(proof.verify(tx, key).findings)
    raise _Back


async def _tampered(world: World, tally: Tally) -> None:
    """Each on somebody with a chain of at least four rows whose last word is a STOP, and undone afterwards."""
    key = world.app.key(chain.PURPOSE)
    sound = await world.app.read(proof.verify, key)
    tally.zero("false alarms on an untouched ledger", len(sound.findings), sound.findings[:3])
    tally.floor("rows verified", sound.rows, len(TAMPERINGS) * 10)
    victims = await world.app.read(_victims)
    unnamed: list[Any] = []
    alarms: list[Any] = []
    for number, (what, statements, expected) in enumerate(TAMPERINGS):
        who, length = victims[number % len(victims)]
        other, _ = victims[(number + 1) % len(victims)]
        values = {"who": who, "other": other, "n": length}
        found: list[proof.Tampering] = []
        with contextlib.suppress(_Back):
            await world.app.write(_tamper, statements, values, key, found)
        kinds = {finding.kind for finding in found}
        if not expected <= kinds:
            unnamed.append((what, sorted(expected), [str(finding) for finding in found[:3]]))
        touched = {who, other, None}
        alarms += [(what, finding) for finding in found if finding.contact not in touched]
    tally.floor("tamperings by raw SQL", len(TAMPERINGS), 30)
    tally.zero("tamperings that verify did not name", len(unnamed), unnamed[:3])
    tally.zero("false alarms about others", len(alarms), alarms[:3])
    again = await world.app.read(proof.verify, key)
    tally.zero("false alarms once they were undone", len(again.findings), again.findings[:3])


def _victims(conn: Any) -> list[tuple[int, int]]:
    last = (
        select(consent_ledger.c.contact_id, func.max(consent_ledger.c.n).label("length"))
        .group_by(consent_ledger.c.contact_id)
        .subquery()
    )
    rows = conn.all(
        select(last.c.contact_id, last.c.length)
        .join(
            consent_ledger, (consent_ledger.c.contact_id == last.c.contact_id) & (consent_ledger.c.n == last.c.length)
        )
        .where(last.c.length >= 3, consent_ledger.c.status == "unsubscribed", consent_ledger.c.applied)
        .order_by(last.c.contact_id)
    )
    first = {row.contact_id: row for row in rows}
    assert len(first) >= 2, "nobody with a chain that ends in a STOP"
    return [(row.contact_id, row.length) for row in rows]


# --- erasure --------------------------------------------------------------------------------------


async def _erased(world: World, tally: Tally, book: Book) -> None:
    """What is personal leaves the ledger; the proof and the opt-out stay."""
    key = world.app.key(chain.PURPOSE)
    gone = tally.random.sample(sorted(book.stopped), min(20, len(book.stopped)))
    held = await world.app.read(lambda conn: conn.value(select(func.count()).select_from(suppressions)))
    for contact in gone:
        await world.app.write(functools.partial(ledger.erase, source="user:1"), contact)
    rows = await world.rows(consent_ledger, consent_ledger.c.contact_id.in_(gone))
    left = [row.id for row in rows if row.address or row.reason or book.phone[row.contact_id] in row.wording]
    after = await world.app.read(proof.verify, key)
    tally.floor("people erased from the ledger", len(gone), 5)
    tally.zero("personal fields left in the ledger", len(left), left[:5])
    tally.zero("false alarms after erasure", len(after.findings), after.findings[:3])
    kept = await world.app.read(lambda conn: conn.value(select(func.count()).select_from(suppressions)))
    tally.zero("opt-outs lost by erasure", held - kept)
    tally.lacks("G14: erasure of contact, files, search and logs comes with the erasing of people")
