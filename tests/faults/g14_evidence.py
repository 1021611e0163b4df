"""G14: consent can be proven. Every sent message has evidence; verification names every manual change to the ledger."""

from __future__ import annotations

import contextlib
import functools
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, func, insert, select

from server.audit.rules import ActedBy, ActorType
from server.consent import actions, chain, proof
from server.consent.ledger import ConsentChange
from server.consent.rules import Method, Purpose, Status
from server.contact_data import erasing
from server.contacts import actions as contacts
from server.contacts.rules import Phone, normal_phone
from server.delivery import actions as delivery
from server.delivery import claiming
from server.delivery.actions import Send
from server.delivery.rules import SenderKind
from server.delivery.senders import SenderInput
from server.errors import Refused
from server.kernel.slices import in_slices
from server.kernel.sql import Statement, Tx
from server.schema import consent_ledger, outbound
from server.schema import contacts as contacts_table
from tests.faults.tally import Tally
from tests.sms import open_sms
from tests.world import World, open_world

FILES = ("Spring fair, paper form 3", "Checkout box: “Text me offers”", "Shop window QR: JOIN")
FORM_WORDINGS = ("Yes, text me news and offers.", "I agree to texts about offers, at most four a month.")
FIRST_CONSENT_AT = datetime(2025, 3, 1, 10, 0, tzinfo=UTC)
SLICE = 200


@dataclass
class Book:
    """The true consents, recorded outside the product: who agreed to which wording, and who refused."""

    wording: dict[int, str] = field(default_factory=dict)
    phone: dict[int, str] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)


async def run(tally: Tally) -> None:
    people, wanted_sends = (10_000, 20_000) if tally.full else (400, 600)
    with tempfile.TemporaryDirectory() as folder:
        async with open_world(Path(folder) / "data", tally.database) as world:
            await open_sms(world, SenderInput("+48732000000", SenderKind.LONG_CODE, "PL", rate=1_000_000))
            book = Book()
            await _import(world, tally, book, people)
            for number in range(3):
                await _campaign(world, book, number)
                await _change_consents(world, tally, book, number)
            sent = await _evidence(world, tally, book)
            tally.floor("messages sent and exported", sent, wanted_sends)
            await _try_tamperings(world, tally)
            await _erase(world, tally, book)
            await _record_in_bulk(world, tally, 100_000 if tally.full else 1_500)


async def _import(world: World, tally: Tally, book: Book, people: int) -> None:
    """Imports three files with one wording each. Phone numbers have the formats that people use; a tenth of the people
    have no consent."""
    rows = []
    for place in range(people):
        digits = f"50{place // 100_000 % 10}{place % 100_000 + 200_000:06d}"
        raw = tally.random.choice(
            (f"+48 {digits}", f"0048{digits}", f"{digits[:3]}-{digits[3:6]}-{digits[6:]}", f"'48{digits}")
        )
        result = normal_phone(raw, "PL")
        assert isinstance(result, Phone), (raw, result)
        rows.append((place, result, tally.random.random() < 0.9))

    def take(tx: Tx, part: list[tuple[int, Phone, bool]]) -> list[tuple[int, str, int]]:
        imported = []
        for place, phone, agreed in part:
            contact = contacts.by_phone(tx, phone.e164, phone.e164, phone.country).contact
            file = place % len(FILES)
            imported.append((contact, phone.e164, file if agreed else -1))
            if agreed:
                change = ConsentChange(
                    contact, Purpose.SMS_MARKETING, Status.SUBSCRIBED, Method.IMPORT, f"import:{file}", FILES[file], "en",
                    FIRST_CONSENT_AT + timedelta(minutes=place), f"row {place + 2}",
                )  # fmt: skip
                actions.record(tx, change)
        return imported

    for start in range(0, people, SLICE):
        for contact, phone, file in await world.app.write(take, rows[start : start + SLICE], bulk=True):
            book.phone[contact] = phone
            if file >= 0:
                book.wording[contact] = FILES[file]
    tally.floor("rows imported from three files", len(book.phone), people)


async def _campaign(world: World, book: Book, number: int) -> None:
    """Queues a promotion to every contact; the consent gate decides for each as it would in a campaign."""

    def queue(tx: Tx, part: list[int]) -> None:
        for contact in part:
            body = f"Offer {number}"
            delivery.queue(
                tx,
                Send(f"c{number}:{contact}", "campaign", "marketing", contact, book.phone[contact], body),
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


async def _change_consents(world: World, tally: Tally, book: Book, number: int) -> None:
    """Some people opt out, a few of them opt in again, and some agree on a form whose wording was changed since."""
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
        change = ConsentChange(
            contact, Purpose.SMS_MARKETING, Status.SUBSCRIBED, Method.FORM, f"form:7@{number}", words, "en"
        )
        recorded = await world.app.write(actions.record, change)
        if recorded.applied:
            book.wording[contact] = words
    world.clock.advance(timedelta(hours=1))


async def _evidence(world: World, tally: Tally, book: Book) -> int:
    """Exports the evidence of each sent message and compares it with the book."""
    key = world.app.key(chain.PURPOSE)
    rows = await world.rows(outbound, outbound.c.dispatched_at.is_not(None))
    blocked = await world.rows(outbound, outbound.c.state == "skipped")
    incomplete: list[Any] = []
    wrong_evidence: list[Any] = []
    for row in rows:
        result = await world.app.read(proof.evidence, key, row.id)
        consents = result["basis"].get("consents", [])
        if not (result["complete"] and len(consents) == 1 and consents[0]["source"] and consents[0]["wording"]):
            incomplete.append((row.id, result["chain"]["findings"], len(consents)))
            continue
        consent = consents[0]
        if consent["address"] != row.recipient or consent["wording"] not in (*FILES, *FORM_WORDINGS, "START"):
            wrong_evidence.append((row.id, consent["address"], consent["wording"]))
        elif row.body == "Offer 0" and consent["wording"] != FILES[int(consent["source"].removeprefix("import:"))]:
            wrong_evidence.append((row.id, consent["source"], consent["wording"]))
    without = [row.id for row in rows if row.contact_id not in book.wording]
    tally.zero("sends without complete evidence", len(incomplete), incomplete[:5])
    tally.zero("evidence with a wrong wording or number", len(wrong_evidence), wrong_evidence[:5])
    tally.zero("sends to people who never agreed", len(without), without[:5])
    tally.floor("sends the consent check refused", len(blocked), len(book.phone) // 10)
    return len(rows)


# --- thirty manual changes to the ledger ------------------------------------------------------------

LEDGER, HEADS, CONSENTS = "consent_ledger", "consent_heads", "consents"
ROW = f"FROM {LEDGER} WHERE contact_id = :who AND n = :n"
TAMPERINGS: list[tuple[str, tuple[str, ...], set[str]]] = [
    ("a refusal changed to a consent", (f"UPDATE {LEDGER} SET status = 'subscribed' WHERE contact_id = :who AND n = :n",), {"altered"}),
    ("a consent changed to a refusal", (f"UPDATE {LEDGER} SET status = 'unsubscribed' WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("another purpose", (f"UPDATE {LEDGER} SET purpose = 'email_marketing' WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("another previous status", (f"UPDATE {LEDGER} SET before = 'subscribed' WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("`applied` inverted", (f"UPDATE {LEDGER} SET applied = NOT applied WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("another method", (f"UPDATE {LEDGER} SET method = 'form' WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("another source", (f"UPDATE {LEDGER} SET source = 'import:9' WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("another language", (f"UPDATE {LEDGER} SET language = 'de' WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("an earlier time", (f"UPDATE {LEDGER} SET happened_at = happened_at - 86400000000 WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("a time changed by a microsecond", (f"UPDATE {LEDGER} SET happened_at = happened_at + 1 WHERE contact_id = :who AND n = :n",), {"altered"}),
    ("another recording time", (f"UPDATE {LEDGER} SET recorded_at = recorded_at - 1 WHERE contact_id = :who AND n = :n",), {"altered"}),
    ("another wording", (f"UPDATE {LEDGER} SET wording = 'All offers, for ever' WHERE contact_id = :who AND n = 1",), {"field"}),
    ("an empty wording", (f"UPDATE {LEDGER} SET wording = '' WHERE contact_id = :who AND n = 1",), {"field"}),
    ("another number", (f"UPDATE {LEDGER} SET address = '+48501999999' WHERE contact_id = :who AND n = 1",), {"field"}),
    ("another reason", (f"UPDATE {LEDGER} SET reason = 'row 3' WHERE contact_id = :who AND n = 1",), {"field"}),
    ("another salt", (f"UPDATE {LEDGER} SET salt = 'AAAAAAAAAAAAAAAAAAAAAA' WHERE contact_id = :who AND n = 1",), {"altered", "field"}),
    ("another contact's commitment", (f"UPDATE {LEDGER} SET commitment = (SELECT commitment FROM {LEDGER} WHERE contact_id = :other AND n = 1) WHERE contact_id = :who AND n = 1",), {"altered", "field"}),
    ("an invented MAC", (f"UPDATE {LEDGER} SET mac = 'AAAA' WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("another contact's MAC", (f"UPDATE {LEDGER} SET mac = (SELECT mac FROM {LEDGER} WHERE contact_id = :other AND n = 1) WHERE contact_id = :who AND n = 1",), {"altered"}),
    ("the first row deleted", (f"DELETE FROM {LEDGER} WHERE contact_id = :who AND n = 1",), {"missing"}),
    ("a middle row deleted", (f"DELETE FROM {LEDGER} WHERE contact_id = :who AND n = 2",), {"missing"}),
    ("the last row deleted", (f"DELETE FROM {LEDGER} WHERE contact_id = :who AND n = :n",), {"missing"}),
    ("the last row deleted and the head adjusted", (f"DELETE FROM {LEDGER} WHERE contact_id = :who AND n = :n", f"UPDATE {HEADS} SET length = :n - 1, mac = (SELECT mac FROM {LEDGER} WHERE contact_id = :who AND n = :n - 1) WHERE contact_id = :who"), {"head"}),
    ("two rows swapped", (f"UPDATE {LEDGER} SET n = 999 WHERE contact_id = :who AND n = 1", f"UPDATE {LEDGER} SET n = 1 WHERE contact_id = :who AND n = 2", f"UPDATE {LEDGER} SET n = 2 WHERE contact_id = :who AND n = 999"), {"altered"}),
    ("a consent inserted", (f"INSERT INTO {LEDGER} (contact_id, n, purpose, before, status, applied, method, salt, commitment, happened_at, recorded_at, mac, source, wording, language, reason, address) SELECT contact_id, n + 1, purpose, before, 'subscribed', applied, method, salt, commitment, happened_at, recorded_at, mac, source, wording, language, reason, address {ROW}",), {"added"}),
    ("another contact's row moved here", (f"UPDATE {LEDGER} SET contact_id = :who, n = :n + 1 WHERE contact_id = :other AND n = 1",), {"added", "missing"}),
    ("the head deleted", (f"DELETE FROM {HEADS} WHERE contact_id = :who",), {"head", "chain"}),
    ("all rows of one contact deleted", (f"DELETE FROM {LEDGER} WHERE contact_id = :who", f"DELETE FROM {HEADS} WHERE contact_id = :who", f"DELETE FROM {CONSENTS} WHERE contact_id = :who"), {"chain"}),
    ("a current state changed to a consent", (f"UPDATE {CONSENTS} SET status = 'subscribed', method = 'form' WHERE contact_id = :who AND purpose = 'sms_marketing'",), {"standing"}),
    ("a current state deleted", (f"DELETE FROM {CONSENTS} WHERE contact_id = :who AND purpose = 'sms_marketing'",), {"standing"}),
    ("a current state inserted", (f"INSERT INTO {CONSENTS} (contact_id, purpose, status, method, source, happened_at, recorded_at, taken) SELECT contact_id, 'email_marketing', 'subscribed', 'form', 'form:1', happened_at, recorded_at, taken FROM {CONSENTS} WHERE contact_id = :who AND purpose = 'sms_marketing'",), {"standing"}),
    ("`taken` inverted", (f"UPDATE {CONSENTS} SET taken = NOT taken WHERE contact_id = :who AND purpose = 'sms_marketing'",), {"standing"}),
    ("the register emptied", ("DELETE FROM consent_register",), {"register"}),
    ("a chain missing in the register", ("UPDATE consent_register SET chains = chains - 1",), {"register"}),
]  # fmt: skip


class _RollBack(Refused):
    """Rolls a manual change back. It derives from no server error, so the server does not log it."""

    def __init__(self) -> None:
        super().__init__("undone", "Nothing happened.")


def _tamper(tx: Tx, statements: tuple[str, ...], values: dict[str, int], key: bytes, item: list[proof.Finding]) -> None:
    for statement in statements:
        for name, value in values.items():
            statement = statement.replace(f":{name}", str(value))
        tx._execute(statement, ())
    item.extend(proof.verify(tx, key).findings)
    raise _RollBack


async def _try_tamperings(world: World, tally: Tally) -> None:
    """Applies each change to a person with at least four ledger rows, the last of them a STOP, and rolls it back
    afterwards."""
    key = world.app.key(chain.PURPOSE)
    untouched = await world.app.read(proof.verify, key)
    tally.zero("false alarms on an untouched ledger", len(untouched.findings), untouched.findings[:3])
    tally.floor("rows verified", untouched.rows, len(TAMPERINGS) * 10)
    victims = await world.app.read(_victims)
    unnamed: list[Any] = []
    alarms: list[Any] = []
    for number, (description, statements, expected) in enumerate(TAMPERINGS):
        victim, length = victims[number % len(victims)]
        other_victim, _ = victims[(number + 1) % len(victims)]
        values = {"who": victim, "other": other_victim, "n": length}
        results: list[proof.Finding] = []
        with contextlib.suppress(_RollBack):
            await world.app.write(_tamper, statements, values, key, results)
        kinds = {finding.kind for finding in results}
        if not expected <= kinds:
            unnamed.append((description, sorted(expected), [str(finding) for finding in results[:3]]))
        touched = {victim, other_victim, None}
        alarms += [(description, finding) for finding in results if finding.contact not in touched]
    tally.floor("tamperings by raw SQL", len(TAMPERINGS), 30)
    tally.zero("tamperings that verify did not name", len(unnamed), unnamed[:3])
    tally.zero("false alarms about other contacts", len(alarms), alarms[:3])
    result = await world.app.read(proof.verify, key)
    tally.zero("false alarms after the tampering was undone", len(result.findings), result.findings[:3])


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
    assert len(first) >= 2, "too few contacts whose chain ends in a STOP"
    return [(row.contact_id, row.length) for row in rows]


# --- erasure --------------------------------------------------------------------------------------


async def _erase(world: World, tally: Tally, book: Book) -> None:
    """Erasure removes personal data from the ledger and keeps the proof and the opt-out."""
    key = world.app.key(chain.PURPOSE)
    erased = tally.random.sample(sorted(book.stopped), min(20, len(book.stopped)))
    for contact in erased:
        await world.app.write(erasing.erase, contact, ActedBy(ActorType.SYSTEM), "user:1", None, "")
    rows = await world.rows(consent_ledger, consent_ledger.c.contact_id.in_(erased))
    personal = [row.id for row in rows if row.address or row.reason or book.phone[row.contact_id] in row.wording]
    verified = await world.app.read(proof.verify, key)
    tally.floor("people erased from the ledger", len(erased), 5)
    tally.zero("personal fields left in the ledger", len(personal), personal[:5])
    tally.zero("false alarms after erasure", len(verified.findings), verified.findings[:3])
    barred = []
    for contact in erased:
        again = await world.app.write(
            lambda tx, number: contacts.by_phone(tx, number, number, "PL").contact, book.phone[contact]
        )
        yes = ConsentChange(again, Purpose.SMS_MARKETING, Status.SUBSCRIBED, Method.IMPORT, "import:9")
        barred.append((await world.app.write(actions.record, yes)).reason_not_applied == "opted_out")
    tally.zero("erased people whom an import could subscribe again", barred.count(False))


# --- statements in bulk -----------------------------------------------------------------------------

_ADD_CONTACT = Statement(
    insert(contacts_table)
    .values({name: bindparam(name) for name in "guid email created_at".split()})
    .returning(contacts_table.c.id, contacts_table.c.email)
)


async def _record_in_bulk(world: World, tally: Tally, count: int) -> None:
    """Records a statement for each of many new contacts in slices. Each must have its proof, and `verify` must name each
    row that is edited afterwards."""
    key = world.app.key(chain.PURPOSE)
    words: dict[int, str] = {}

    def take(tx: Tx, numbers: list[int]) -> None:
        rows = [
            {"guid": f"bulk-{number}", "email": f"bulk{number}@mail.example", "created_at": tx.now}
            for number in numbers
        ]
        people = {row.email: row.id for row in tx.all_many(_ADD_CONTACT, rows)}
        changes = [
            ConsentChange(
                people[f"bulk{number}@mail.example"], Purpose.EMAIL_MARKETING, Status.SUBSCRIBED, Method.IMPORT,
                f"import:90:{number}", f"Yes to wording {number % 7}", "en", FIRST_CONSENT_AT,
            )
            for number in numbers
        ]  # fmt: skip
        results = actions.record_many(tx, changes, "import:90")
        assert all(result.applied for result in results)
        words.update({change.contact: change.wording for change in changes})

    await in_slices(world.app, take, range(count))
    rows = await world.rows(consent_ledger, consent_ledger.c.source.like("import:90:%"))
    proven = {row.contact_id for row in rows if row.wording == words[row.contact_id] and row.address and row.applied}
    tally.floor("statements recorded in bulk", len(words), count)
    tally.zero("statements of a bulk without their own proof", count - len(proven))
    untouched = await world.app.read_slowly(proof.verify, key)
    tally.zero("false alarms after a bulk", len(untouched.findings), untouched.findings[:3])
    victims = tally.random.sample(sorted(words), 10)
    edits = tuple(f"UPDATE {LEDGER} SET source = 'import:91' WHERE contact_id = {victim}" for victim in victims)
    named: list[proof.Finding] = []
    with contextlib.suppress(_RollBack):
        await world.app.write(_tamper, edits, {}, key, named)
    altered = {finding.contact for finding in named if finding.kind == "altered"}
    tally.zero("edited rows of a bulk that verify did not name", len(set(victims) - altered))
    tally.zero("false alarms beside edited rows of a bulk", len({finding.contact for finding in named} - set(victims)))
