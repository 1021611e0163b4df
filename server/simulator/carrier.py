"""A stand-in carrier for development and demos: takes messages as Twilio does, carries them to three phones, reports.

Only what a carrier can know: it sees our requests and calls our webhooks over HTTP like any other; it imports no feature
and no database. `twilio.py` is its REST dialect, `phone.py` the phones.
"""

from __future__ import annotations

import asyncio
import hmac
from base64 import urlsafe_b64decode
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import structlog

from server.kernel.context import App
from server.simulator import rules
from server.simulator.account import NUMBERS, ROOT, VERSION, account
from server.simulator.calling import Answered, Caller, replies
from server.simulator.state import BY_NUMBER, KEPT, Kept, Message, Number, Person, Picture, State, Switches

log = structlog.get_logger()

PART = "carrier"
MAX_PICTURE = 5_000_000  # bytes
PICTURES = ("image/jpeg", "image/png", "image/gif")
SAVE_S = 0.3  # changes are gathered for so long before they are written
CALLS_KEPT = 100  # of the page's log


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds from one status to the next."""

    sent: float = 0.25
    delivered: float = 0.6
    slow: float = 12.0  # times as long, where the switch says so


@dataclass(frozen=True, slots=True)
class Call:
    """One line of the page's log: what passed between carrier and shop. `ok`: it went as it should."""

    at: str
    what: str
    detail: str
    ok: bool


class Carrier:
    """One per process. Everything runs on the loop; nothing needs a lock."""

    def __init__(self, app: App, segments: Callable[[str], int], webhook: str, pace: Pace | None = None) -> None:
        """`webhook`: where texts are reported, as the shop's owner would have entered it."""
        if app.settings.mode != "development":
            raise RuntimeError("the simulated carrier runs in development mode only")
        self.app, self.account, self._segments, self._webhook = app, account(app), segments, webhook
        self._pace = pace or Pace()
        self._kept = Kept(app.settings.data_dir / "simulator")
        self.state = State()
        self.calls: list[Call] = []
        self.caller = Caller(app, self.account.token)
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._saving: asyncio.Task[None] | None = None
        self._ended = False

    # --- from start to end

    async def start(self) -> None:
        self.state = await asyncio.to_thread(self._kept.load)
        for number in NUMBERS:
            if number.address not in self.state.numbers:
                self.state.numbers[number.address] = Number(
                    "PN" + self.app.key(f"simulator {number.address}").hex()[:32],
                    number.address, number.kind, number.country, number.mms, number.inbound,
                )  # fmt: skip
        for one in self.state.numbers.values():
            # Another port than yesterday: the webhook is where this server is today.
            path = urlsplit(self._webhook).path
            if one.inbound and path in (one.sms_url or path):
                one.sms_url = self._webhook
        for message in self.state.messages.values():
            if message.status not in rules.FINAL and message.direction != "inbound":
                self._do(self._carry(message))

    async def close(self) -> None:
        self.let_go()
        for task in [*self._tasks, *([self._saving] if self._saving else [])]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.caller.close()
        if self.state.version:
            await self._kept.save(self.state)

    def let_go(self) -> None:
        """Answers whoever waits for news; a server that ends does not wait for them."""
        self._ended = True
        self._changed.set()

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._safely(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _safely(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("simulator_failed")

    def changed(self) -> None:
        """Something a page shows or a restart must find again is different now."""
        self.state.version += 1
        event, self._changed = self._changed, asyncio.Event()
        event.set()
        if self._saving is None or self._saving.done():
            self._saving = asyncio.get_running_loop().create_task(self._save())

    async def _save(self) -> None:
        await asyncio.sleep(SAVE_S)
        try:
            await self._kept.save(self.state)
        except OSError as error:
            log.warning("simulator_not_saved", error=str(error))

    async def news(self, after: int, wait: float) -> None:
        """Returns once the version is not `after` any more, or after `wait` seconds."""
        if self.state.version == after and not self._ended:
            try:
                await asyncio.wait_for(self._changed.wait(), wait)
            except TimeoutError:
                return

    def note(self, what: str, detail: str, ok: bool = True) -> None:
        self.calls.append(Call(self.now().isoformat(), what, detail, ok))
        del self.calls[:-CALLS_KEPT]
        self.changed()

    def now(self) -> datetime:
        return self.app.clock.now()

    def hexadecimal(self) -> str:
        token = self.app.ids.token(16)
        return urlsafe_b64decode(token + "==").hex()

    def trusts(self, user: str, password: str) -> bool:
        same = hmac.compare_digest(user.encode(), self.account.sid.encode())
        return same & hmac.compare_digest(password.encode(), self.account.token.encode())

    # --- numbers that are given up

    def give_up(self, person: Person, gone: bool) -> None:
        """Puts the number on today's list of those that were given up; or takes it off that list again."""
        if gone:
            self.state.given_up[person.number] = self.now().date().isoformat()
            self.note("Number given up", f"{person.number} stands on today's list")
        elif self.state.given_up.pop(person.number, None):
            self.note("Number given out again", f"{person.number} is off the list; what was read stays read")

    def deactivations(self, day: str) -> str:
        """That day's list, as a file."""
        return "".join(f"{number}\n" for number, on in sorted(self.state.given_up.items()) if on == day)

    # --- a message of the shop's

    def judge(self, wanted: rules.Wanted) -> rules.Problem | None:
        senders = {one.address: rules.Sending(one.address, mms=one.mms) for one in self.state.numbers.values()}
        known = rules.Known(senders, self.account.service, frozenset(self.state.opted_out))
        return rules.judge(wanted, known, self.now())

    def take(self, wanted: rules.Wanted) -> Message:
        """A message that was judged well. It is on its way when this returns."""
        now = self.now()
        sender = wanted.sender or self._from_service(wanted.to or "", bool(wanted.media))
        status = "scheduled" if wanted.schedule else "accepted" if wanted.service else "queued"
        message = Message(
            ("MM" if wanted.media else "SM") + self.hexadecimal(), "outbound-api", sender, wanted.to or "",
            wanted.body or "", status, now.isoformat(), self._segments(wanted.body or ""), media_urls=list(wanted.media),
            service=wanted.service or "", callback=wanted.callback or "", validity_s=int(wanted.validity or 36_000),
            send_at=wanted.send_at or "", updated_at=now.isoformat(),
        )  # fmt: skip
        self._keep(message)
        self._do(self._carry(message))
        return message

    def _from_service(self, to: str, mms: bool) -> str:
        """The service's own choice: a number of the recipient's country, else any that can."""
        numbers = [one for one in self.state.numbers.values() if one.inbound and (one.mms or not mms)]
        american = to.startswith("+1")
        numbers.sort(key=lambda one: (one.country == "US") != american)
        return numbers[0].address

    def _keep(self, message: Message) -> None:
        self.state.places += 1
        message.place = self.state.places
        self.state.messages[message.sid] = message
        while len(self.state.messages) > KEPT:
            self.forget(next(iter(self.state.messages.values())))
        self.changed()

    def forget(self, message: Message) -> None:
        for picture in message.pictures:
            self._kept.forget_picture(picture.sid)
        self.state.messages.pop(message.sid, None)
        self.changed()

    def cancel(self, message: Message) -> bool:
        if message.status not in rules.CANCELABLE:
            return False
        message.updated("canceled", self.now())
        self.changed()
        self._do(self._tell(message, message.status))
        return True

    async def _carry(self, message: Message) -> None:
        """From the queue to the phone, telling the shop at every step but the first (INTEGRATIONS 0)."""
        told: list[str] = []
        await self._on_its_way(message, self.state.switches, told)
        for status in reversed(told):
            await self._tell(message, status)

    async def _on_its_way(self, message: Message, switches: Switches, told: list[str]) -> None:
        steps = [] if message.status != "accepted" else ["queued"]
        if message.status == "scheduled":
            await self._until(message)
            steps = ["accepted", "queued"]
        for status in steps:
            await self._step(message, status, self._pace.sent / 4, told, switches)
        if message.status == "queued" and not await self._load_pictures(message):
            await self._fail(message, "failed", message.error or 63019, "A picture could not be fetched")
            return
        if message.status == "queued":
            if self._expired(message):
                await self._fail(message, "failed", 30036, "Validity Period Expired")
                return
            await self._step(message, "sent", self._pace.sent, told, switches)
        if message.status != "sent":
            return  # cancelled on the way
        match switches.outcome:
            case "undelivered":
                await self._pause(self._pace.delivered, switches)
                await self._fail(message, "undelivered", 30003, "Unreachable destination handset")
            case "filtered":
                await self._pause(self._pace.delivered, switches)
                await self._fail(message, "undelivered", 30007, "Message filtered")
            case "sent":
                self._arrive(message)  # many routes never report: `sent` is the last word
                self.changed()
            case "delivered":
                await self._step(message, "delivered", self._pace.delivered, told, switches)

    async def _until(self, message: Message) -> None:
        at = rules.moment(message.send_at)
        if at is not None:
            await asyncio.sleep(max(0.0, (at - self.now()).total_seconds()))

    async def _step(self, message: Message, status: str, after: float, held: list[str], switches: Switches) -> None:
        """The next status, and its report. Shuffled, the reports are held back and come last first."""
        before = message.status
        await self._pause(after, switches)
        if message.status != before:
            return
        message.updated(status, self.now())
        if status == "sent":
            message.sent_at = message.updated_at
        if status == "delivered":
            self._arrive(message)
        self.changed()
        if switches.callbacks_shuffled:
            held.append(status)
        else:
            await self._tell(message, status)

    async def _pause(self, seconds: float, switches: Switches) -> None:
        await asyncio.sleep(seconds * (self._pace.slow if switches.pace == "slow" else 1.0))

    def _arrive(self, message: Message) -> None:
        message.arrived_at = self.now().isoformat()

    def _expired(self, message: Message) -> bool:
        return self.now() - datetime.fromisoformat(message.created_at) > timedelta(seconds=message.validity_s)

    async def _fail(self, message: Message, status: str, code: int, words: str) -> None:
        message.error, message.error_message = code, words
        message.updated(status, self.now())
        self.changed()
        await self._tell(message, status)

    async def _load_pictures(self, message: Message) -> bool:
        """Fetches what the shop attached, from the shop only: a demo never calls strangers."""
        for url in message.media_urls[len(message.pictures) :]:
            ours = [origin for origin in (self.app.settings.public_url, self.app.settings.demo_url) if origin]
            if not any(url.startswith(f"{origin}/") for origin in ours):
                self.note("Picture not fetched", f"{url[:80]} is not on this server", ok=False)
                return False
            found = await self.caller.fetch(url, MAX_PICTURE)
            if isinstance(found, int):
                message.error = found
                self.note("Picture not fetched", f"error {found}", ok=False)
                return False
            data, kind = found
            if kind not in PICTURES:
                message.error = 12300
                self.note("Picture not fetched", f"its type is {kind[:40]}", ok=False)
                return False
            message.pictures.append(self._picture(data, kind))
        return True

    def _picture(self, data: bytes, kind: str) -> Picture:
        sid = "ME" + self.hexadecimal()
        self._kept.keep_picture(sid, data)
        return Picture(sid, kind, len(data))

    def picture(self, sid: str) -> bytes | None:
        return self._kept.picture(sid)

    def forget_picture(self, message: Message, sid: str) -> None:
        message.pictures = [one for one in message.pictures if one.sid != sid]
        self._kept.forget_picture(sid)
        self.changed()

    async def _tell(self, message: Message, status: str) -> None:
        """One status callback, twice where the switch says so."""
        if not message.callback:
            return
        params = {
            "AccountSid": self.account.sid, "ApiVersion": VERSION, "From": message.sender, "MessageSid": message.sid,
            "MessageStatus": status, "SmsSid": message.sid, "SmsStatus": status, "To": message.to,
        }  # fmt: skip
        if message.service:
            params["MessagingServiceSid"] = message.service
        if status in ("failed", "undelivered") and message.error is not None:
            params |= {"ErrorCode": str(message.error), "ErrorMessage": message.error_message}
        if status in ("delivered", "undelivered"):
            params["RawDlrDoneDate"] = self.now().strftime("%y%m%d%H%M")
        calls = [self.caller.post(message.callback, params)]
        if self.state.switches.callbacks_twice:
            calls.append(self.caller.post(message.callback, params))
        answers = await asyncio.gather(*calls)
        self._note_answers(f"Status: {status}", message, answers)

    async def tell_early(self, message: Message) -> None:
        """Shuffled, a report even overtakes the answer to the request (GUARANTEES F34)."""
        try:
            await asyncio.wait_for(self._tell(message, "sent"), 1.0)
        except TimeoutError:
            self.note("Status: sent", "the shop did not take it in a second", ok=False)

    def _note_answers(self, what: str, message: Message, answers: Iterable[Answered]) -> None:
        for found in answers:
            ok = 200 <= found.status < 300
            tries = f", {found.tries} tries" if found.tries > 1 else ""
            self.note(what, f"{message.sid[:8]}…: {found.status or found.error}{tries}", ok)

    # --- a text of a person's

    def text(self, person: Person, to: str, body: str, pictures: list[tuple[bytes, str]]) -> Message:
        """A person texts one of the shop's numbers."""
        number = self.state.numbers[to]
        now = self.now().isoformat()
        message = Message(
            ("MM" if pictures else "SM") + self.hexadecimal(), "inbound", person.number, to, body, "received", now,
            self._segments(body), [self._picture(data, kind) for data, kind in pictures], updated_at=now, sent_at=now,
            arrived_at=now,
        )  # fmt: skip
        self._keep(message)
        handled = rules.handle_keyword(number.kind, body, (to, person.number) in self.state.opted_out)
        if handled is not None:
            if handled.blocks is True:
                self.state.opted_out.add((to, person.number))
            elif handled.blocks is False:
                self.state.opted_out.discard((to, person.number))
            if handled.answer:
                self._answer(message, handled.answer)
        self._do(self._report(message, number))
        return message

    def _answer(self, message: Message, body: str) -> Message:
        """A text back to the phone, from the carrier itself or from an answer in TwiML."""
        now = self.now().isoformat()
        found = Message(
            "SM" + self.hexadecimal(), "outbound-reply", message.to, message.sender, body, "delivered", now,
            self._segments(body), updated_at=now, sent_at=now, arrived_at=now,
        )  # fmt: skip
        self._keep(found)
        return found

    def inbound_params(self, message: Message, number: Number) -> dict[str, str]:
        person = BY_NUMBER.get(message.sender)
        country = person.country if person else ""
        params = {
            "AccountSid": self.account.sid, "ApiVersion": VERSION, "Body": message.body, "From": message.sender,
            "FromCity": "", "FromCountry": country, "FromState": "", "FromZip": "", "MessageSid": message.sid,
            "NumMedia": str(len(message.pictures)), "NumSegments": str(message.segments), "SmsMessageSid": message.sid,
            "SmsSid": message.sid, "SmsStatus": "received", "To": message.to, "ToCity": "", "ToCountry": number.country,
            "ToState": "", "ToZip": "",
        }  # fmt: skip
        for place, picture in enumerate(message.pictures):
            params[f"MediaContentType{place}"] = picture.type
            params[f"MediaUrl{place}"] = self.media_url(message.sid, picture.sid)
        return params

    def media_url(self, message: str, picture: str) -> str:
        base = f"{self.app.settings.public_url}{ROOT}/{VERSION}/Accounts/{self.account.sid}"
        return f"{base}/Messages/{message}/Media/{picture}"

    async def _report(self, message: Message, number: Number) -> None:
        """The inbound webhook; what it answers in TwiML, or as plain text, goes to the phone."""
        if not number.sms_url:
            self.note("Text not reported", f"{number.address} has no webhook", ok=False)
            return
        params, key = self.inbound_params(message, number), self.app.ids.token(16)
        calls = [self.caller.post(number.sms_url, params, method=number.sms_method, key=key)]
        if self.state.switches.webhooks_twice:
            calls.append(self.caller.post(number.sms_url, params, method=number.sms_method, key=key))
        answers = await asyncio.gather(*calls)
        self._note_answers("Text reported", message, answers)
        for found in answers:
            if 200 <= found.status < 300:
                for body in replies(found):
                    self._answer(message, body)


def of(app: App) -> Carrier:
    found = app.parts[PART]
    assert isinstance(found, Carrier)
    return found
