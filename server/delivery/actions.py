"""Queues outgoing messages. Every message is a row of `outbound`; the pump asks the gate before each send."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.dialects.postgresql import insert  # compiles on SQLite too

from server.delivery import queries, rules
from server.delivery.queries import Outbound
from server.delivery.rules import LANES, Lane, Sender, State
from server.delivery.segments import segments
from server.errors import Conflict, NotFound, Refused
from server.kernel import jobs
from server.kernel.context import App
from server.kernel.slices import in_slices
from server.kernel.sql import LostRace, Statement, Tx
from server.schema import outbound

PUMP = "delivery.pump"
MAIL_PUMP = "delivery.pump_mail"
MOVE = "delivery.move"
TOPIC = "outbound"  # published when a text is due, to wake a running pump
MAIL_TOPIC = "outbound:email"
_WAKES = {"sms": (PUMP, TOPIC), "email": (MAIL_PUMP, MAIL_TOPIC)}  # the pump's job kind and topic, by channel


@dataclass(frozen=True, slots=True)
class Send:
    """One message to one contact. `key`: idempotency key. `purpose`: a `consent.rules.SendPurpose`.

    `sender`: the preferred number, usually the one that the contact texted; None: chosen by country. `media`: tokens of
    files.
    """

    key: str
    kind: str  # a key of `rules.LANES`, which sets the urgency
    purpose: str
    contact: int | None  # None: a test text to a number
    recipient: str
    body: str
    thread: int | None = None
    seq: int | None = None
    sender: str | None = None
    media: tuple[str, ...] = ()
    due_at: datetime | None = None
    smart: str | None = None  # of a campaign or flow text: a `bulk_rules.Smart`
    expires_at: datetime | None = None  # nothing is sent from then on

    @property
    def lane(self) -> Lane:
        return LANES[self.kind]


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
                "token key channel kind purpose contact_id thread_id seq recipient sender body media template data "
                "segments lane state due_at created_at smart expires_at"
            ).split()
        }
    )
    .on_conflict_do_nothing(index_elements=[outbound.c.key])
    .returning(outbound.c.id, outbound.c.key)
)
_SET_ENTRY = Statement(
    update(outbound)
    .where(outbound.c.id == bindparam("outbound"))
    .values(thread_id=bindparam("thread"), seq=bindparam("at_seq"))
)


def queue(tx: Tx, send: Send) -> Queued:
    """Stores a message and wakes the pump when it is due. A repeated key returns the first row.

    Raises `Refused` `too_long` or `too_many_files`.
    """
    return queue_many(tx, [send])[0]


def queue_many(tx: Tx, sends: Sequence[Send]) -> list[Queued]:
    """Queues several messages with different keys in few statements. For more than a few dozen messages use
    `queue_in_slices`, so that other writes do not wait long."""
    senders = queries.all_senders(tx)
    return store(tx, [_row(tx, send, senders) for send in sends], "sms")


def store(tx: Tx, rows: Sequence[dict[str, Any]], channel: str) -> list[Queued]:
    """Stores new rows of one channel and wakes its pump when they are due."""
    inserted_ids: dict[str, int] = {row.key: row.id for row in tx.all_many(_INSERT, rows)}
    repeated = {
        row.key: row for row in queries.by_keys(tx, [row["key"] for row in rows if row["key"] not in inserted_ids])
    }
    queued = []
    for row in rows:
        first = repeated.get(row["key"])
        if row["key"] in inserted_ids:
            queued.append(Queued(inserted_ids[row["key"]], row["token"], row["segments"]))
        elif first is not None:
            queued.append(Queued(first.id, first.token, row["segments"], repeated=True))
        else:
            # Another transaction's row is not visible yet: the step is retried and then finds the row.
            raise LostRace(row["key"])
    for due in {_whole_second(row["due_at"], tx.now) for row in rows if row["key"] in inserted_ids}:
        wake_pump(tx, due, channel)
    return queued


def new_row(tx: Tx, *, due_at: datetime | None, **values: Any) -> dict[str, Any]:
    """A queued row of `outbound`."""
    defaults: dict[str, Any] = {"body": "", "media": [], "template": None, "data": None, "segments": 0}
    defaults |= {"smart": None, "expires_at": None}
    fixed = {
        "token": tx.token(18),
        "state": State.QUEUED,
        "due_at": max(due_at or tx.now, tx.now),
        "created_at": tx.now,
    }
    return defaults | values | fixed


async def queue_in_slices(app: App, sends: Sequence[Send]) -> list[Queued]:
    """Queues many messages in bulk transactions that hold the writer for a few milliseconds each. After an error the rest
    is not queued; repeating the call with the same keys is safe."""
    queued: list[Queued] = []
    for part in await in_slices(app, queue_many, sends):
        queued += part
    return queued


def _whole_second(at: datetime, now: datetime) -> datetime:
    """Rounds a future `at` up to a whole second, so that messages due in the same second share a job."""
    return now if at <= now else at if at.microsecond == 0 else at.replace(microsecond=0) + timedelta(seconds=1)


def _row(tx: Tx, send: Send, senders: list[Sender]) -> dict[str, Any]:
    if len(send.body) > rules.MAX_TEXT:
        raise Refused(
            "too_long",
            f"A text message can have at most {rules.MAX_TEXT:,} characters.",
            field="text",
            params={"max": rules.MAX_TEXT},
        )
    if len(send.media) > rules.MAX_MEDIA:
        raise Refused(
            "too_many_files",
            f"A message can have at most {rules.MAX_MEDIA} pictures.",
            field="files",
            params={"max": rules.MAX_MEDIA},
        )
    country, mms = rules.country_of(send.recipient), bool(send.media)
    chosen = rules.choose_sender(senders, country, mms=mms, preferred=send.sender)
    if chosen is None and not send.lane.urgent:
        chosen = rules.choose_stopped(senders, country, mms=mms)  # the message waits until the number is started
    return new_row(
        tx,
        key=send.key,
        channel="sms",
        kind=send.kind,
        purpose=send.purpose,
        contact_id=send.contact,
        thread_id=send.thread,
        seq=send.seq,
        recipient=send.recipient,
        sender=None if chosen is None else chosen.address,  # None: the pump assigns one or ends the message
        body=send.body,
        media=list(send.media),
        segments=1 if mms else segments(send.body),
        lane=int(send.lane),
        due_at=send.due_at,
        smart=send.smart,
        expires_at=send.expires_at,
    )


def set_entry(tx: Tx, outbound_id: int, thread: int, seq: int) -> None:
    """Stores which timeline entry shows the message. Separate from `queue`, because the entry contains the message's id."""
    tx.run(_SET_ENTRY, outbound=outbound_id, thread=thread, at_seq=seq)


def wake_pump(tx: Tx, at: datetime, channel: str = "sms") -> None:
    """Schedules a run of the channel's pump at `at`. All messages due now share one job. Each later second has its own
    job, so that no job reschedules another."""
    kind, topic = _WAKES[channel]
    at = _whole_second(at, tx.now)
    if at <= tx.now:
        # Last in the transaction: all replies lock this row, so the lock must be short.
        jobs.enqueue_deferred(tx, kind, {}, run_at=tx.now, key=kind, priority=0)
        tx.publish(topic)
    else:
        jobs.enqueue(tx, kind, {}, run_at=at, key=f"{kind}:{int(at.timestamp())}", priority=0)


def move_messages(tx: Tx, addresses: Iterable[str]) -> None:
    """Moves waiting messages away from stopped senders, and back to restarted ones."""
    for address in addresses:
        jobs.enqueue(tx, MOVE, {"sender": address}, run_at=tx.now, key=f"{MOVE}:{address}", priority=0)


def wake_pump_in(tx: Tx, seconds: float, channel: str = "sms") -> None:
    wake_pump(tx, tx.now + timedelta(seconds=seconds), channel)


def retry(tx: Tx, outbound_id: int) -> Queued:
    """Queues a copy of a failed message for the same timeline entry, at most once (AMB-34).

    Raises `NotFound`, and `Conflict` `cannot_retry` for a message that may have arrived.
    """
    row = queries.by_id(tx, outbound_id, lock=True)
    if row is None:
        raise NotFound()
    if not rules.may_retry(row.state):
        raise Conflict("cannot_retry", "This message was already sent, or is about to be sent.")
    if row.channel == "email":
        return _retry_mail(tx, row)
    if row.contact is None:
        raise NotFound()
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
        ),
    )


_MAIL = Statement(
    select(outbound.c.template, outbound.c.data, outbound.c.sender).where(outbound.c.id == bindparam("outbound"))
)


def _retry_mail(tx: Tx, row: Outbound) -> Queued:
    """Queues the mail again with its template and arguments: it is composed anew, and its links are new ones."""
    mail = tx.one(_MAIL, outbound=row.id)
    return store(
        tx,
        [
            new_row(
                tx,
                key=f"again:{row.id}",
                channel="email",
                kind=row.kind,
                purpose=row.purpose,
                contact_id=row.contact,
                thread_id=row.thread,
                seq=row.seq,
                recipient=row.recipient,
                sender=mail.sender,
                template=mail.template,
                data=mail.data,
                lane=int(row.lane),
                due_at=None,
            )
        ],
        "email",
    )[0]
