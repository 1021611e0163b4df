"""The one door out (DESIGN 1.5): whatever the brand sends is a row here, and the pump asks the gate before each call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.delivery import queries, rules
from server.delivery.rules import State
from server.delivery.segments import segments
from server.errors import Conflict, NotFound, Refused
from server.kernel import jobs
from server.kernel.sql import Clash, Statement, Tx
from server.schema import outbound

PUMP = "delivery.pump"
TOPIC = "outbound"  # something is due: a running pump looks again


@dataclass(frozen=True, slots=True)
class Send:
    """One message to one person. `key`: of its cause; the same key is sent once. `purpose`: consent.rules.SendPurpose.

    `sender`: the number they texted, which answers if it can; None: by country. `media`: tokens of files.
    """

    key: str
    kind: str  # reply | auto_reply | keyword | opt_in
    purpose: str
    contact: int
    recipient: str
    body: str
    thread: int | None = None
    seq: int | None = None
    sender: str | None = None
    media: tuple[str, ...] = ()
    priority: int = 0
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    id: int
    token: str
    segments: int
    repeated: bool = False


_INSERT = Statement(
    insert(outbound)
    .values(
        {
            name: bindparam(name)
            for name in (
                "token key channel kind purpose contact_id thread_id seq recipient sender body media segments priority "
                "state due_at created_at"
            ).split()
        }
    )
    .on_conflict_do_nothing(index_elements=[outbound.c.key])
    .returning(outbound.c.id)
)
_PLACE = Statement(
    update(outbound)
    .where(outbound.c.id == bindparam("outbound"))
    .values(thread_id=bindparam("thread"), seq=bindparam("at_seq"))
)


def queue(tx: Tx, send: Send) -> Queued:
    """Stores it and wakes the pump at its time. Repeating a key returns the first row. Raises `Refused` `too_long`."""
    if len(send.body) > rules.MAX_TEXT:
        raise Refused("too_long", f"A text message has at most {rules.MAX_TEXT:,} characters.", field="text")
    if len(send.media) > rules.MAX_MEDIA:
        raise Refused("too_many_files", f"A message carries at most {rules.MAX_MEDIA} pictures.", field="files")
    count = 1 if send.media else segments(send.body)
    known = queries.all_senders(tx)
    chosen = rules.choose(known, rules.country_of(send.recipient), mms=bool(send.media), preferred=send.sender)
    due = max(send.due_at or tx.now, tx.now)
    token = tx.token(18)
    made = tx.value(
        _INSERT,
        token=token,
        key=send.key,
        channel="sms",
        kind=send.kind,
        purpose=send.purpose,
        contact_id=send.contact,
        thread_id=send.thread,
        seq=send.seq,
        recipient=send.recipient,
        sender=None if chosen is None else chosen.address,  # the pump looks once more
        body=send.body,
        media=list(send.media),
        segments=count,
        priority=send.priority,
        state=State.QUEUED,
        due_at=due,
        created_at=tx.now,
    )
    if made is None:
        first = queries.by_key(tx, send.key)
        if first is None:
            raise Clash(send.key)  # its winner is not visible yet: run again and find it
        return Queued(first.id, first.token, count, repeated=True)
    wake(tx, due)
    return Queued(made, token, count)


def place(tx: Tx, outbound_id: int, thread: int, seq: int) -> None:
    """Names the timeline entry that shows it, where the entry had to know the message's id first."""
    tx.run(_PLACE, outbound=outbound_id, thread=thread, at_seq=seq)


def wake(tx: Tx, at: datetime) -> None:
    """The pump looks at `at`. What is due now shares one job; later ones have one each, so that none moves another's."""
    if at <= tx.now:
        # Last in its transaction: every reply touches this one row, and a lock held to COMMIT would queue them up.
        jobs.enqueue_last(tx, PUMP, {}, run_at=tx.now, key=PUMP, priority=0)
        tx.ring(TOPIC)
    else:
        moment = int(at.timestamp())
        jobs.enqueue(tx, PUMP, {}, run_at=at, key=f"{PUMP}:{moment}", priority=0)


def wake_in(tx: Tx, seconds: float) -> None:
    wake(tx, tx.now + timedelta(seconds=seconds))


def retry(tx: Tx, outbound_id: int) -> Queued:
    """ "Send again" (AMB-34): the same words to the same person, shown at the same place, as a message of its own. Pressed
    twice it is one. Raises `NotFound`, and `Conflict` `cannot_retry` for what may have arrived."""
    row = queries.one(tx, outbound_id, lock=True)
    if row is None:
        raise NotFound()
    if not rules.may_retry(row.state):
        raise Conflict("cannot_retry", "This message was sent, or is about to be.")
    return queue(
        tx,
        Send(
            key=f"again:{row.id}",
            kind=row.kind,
            purpose=row.purpose,
            contact=row.contact,
            recipient=row.recipient,
            body=row.body,
            thread=row.thread,
            seq=row.seq,
            sender=row.sender,
            media=row.media,
            priority=row.priority,
        ),
    )
