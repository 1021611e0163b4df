"""A simulated carrier for development and demos: accepts messages as Twilio does, delivers them to three phones, and
reports their status.

It communicates with the server only over HTTP, as a real carrier does, and imports no feature and no database.
`twilio.py` is its REST API, `phone.py` the phones.
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
from server.simulator.state import BY_NUMBER, MAX_MESSAGES, Message, Number, Person, Picture, State, Store, Switches
from server.simulator.webhooks import WebhookClient, WebhookResult, replies

log = structlog.get_logger()

MAX_PICTURE = 5_000_000  # bytes
PICTURES = ("image/jpeg", "image/png", "image/gif")
SAVE_S = 0.3  # delay before changes are saved, so that several are saved together
MAX_CALLS = 100  # in the log on the Phone page


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds from one status to the next."""

    sent: float = 0.25
    delivered: float = 0.6
    slow: float = 12.0  # factor while the switch is on "slow"


@dataclass(frozen=True, slots=True)
class Call:
    """One line of the log on the Phone page. `ok`: False for a failure."""

    at: str
    title: str
    detail: str
    ok: bool


class Carrier:
    """One per process. Everything runs on the event loop, so that no lock is needed."""

    def __init__(self, app: App, segments: Callable[[str], int], webhook: str, pace: Pace | None = None) -> None:
        """`webhook`: the address for inbound texts."""
        if app.settings.mode != "development":
            raise RuntimeError("the simulated carrier runs in development mode only")
        self.app, self.account, self._segments, self._webhook = app, account(app), segments, webhook
        self._pace = pace or Pace()
        self._store = Store(app.settings.data_dir / "simulator")
        self.state = State()
        self.calls: list[Call] = []
        self.webhooks = WebhookClient(app, self.account.token)
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._saving: asyncio.Task[None] | None = None
        self._ended = False

    # --- from start to end

    async def start(self) -> None:
        self.state = await asyncio.to_thread(self._store.load)
        for number in NUMBERS:
            if number.address not in self.state.numbers:
                self.state.numbers[number.address] = Number(
                    "PN" + self.app.key(f"simulator {number.address}").hex()[:32],
                    number.address, number.kind, number.country, number.mms, number.inbound,
                )  # fmt: skip
        for number in self.state.numbers.values():
            # The server may run at another port than last time: update our own webhook.
            path = urlsplit(self._webhook).path
            if number.inbound and path in (number.sms_url or path):
                number.sms_url = self._webhook
        for message in self.state.messages.values():
            if message.status not in rules.FINAL and message.direction != "inbound":
                self._spawn(self._deliver(message))

    async def close(self) -> None:
        self.release_waiting()
        for task in [*self._tasks, *([self._saving] if self._saving else [])]:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.webhooks.close()
        if self.state.version:
            await self._store.save(self.state)

    def release_waiting(self) -> None:
        """Ends the requests that wait for a change, because the server is about to stop."""
        self._ended = True
        self._changed.set()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(self._log_failure(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _log_failure(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            log.exception("simulator_failed")

    def changed(self) -> None:
        """The state changed: wakes waiting pages and saves it soon."""
        self.state.version += 1
        event, self._changed = self._changed, asyncio.Event()
        event.set()
        if self._saving is None or self._saving.done():
            self._saving = asyncio.get_running_loop().create_task(self._save())

    async def _save(self) -> None:
        await asyncio.sleep(SAVE_S)
        try:
            await self._store.save(self.state)
        except OSError as error:
            log.warning("simulator_not_saved", error=str(error))

    async def wait_for_change(self, after: int, wait: float) -> None:
        """Returns once the version is not `after` any more, or after `wait` seconds."""
        if self.state.version == after and not self._ended:
            try:
                await asyncio.wait_for(self._changed.wait(), wait)
            except TimeoutError:
                return

    def log_event(self, event: str, detail: str, ok: bool = True) -> None:
        self.calls.append(Call(self.now().isoformat(), event, detail, ok))
        del self.calls[:-MAX_CALLS]
        self.changed()

    def now(self) -> datetime:
        return self.app.clock.now()

    def hexadecimal(self) -> str:
        token = self.app.ids.token(16)
        return urlsafe_b64decode(token + "==").hex()

    def credentials_match(self, user: str, password: str) -> bool:
        user_matches = hmac.compare_digest(user.encode(), self.account.sid.encode())
        return user_matches & hmac.compare_digest(password.encode(), self.account.token.encode())

    # --- deactivated numbers

    def set_deactivated(self, person: Person, deactivate: bool) -> None:
        """Adds the number to today's list of deactivated numbers, or removes it."""
        if deactivate:
            self.state.given_up[person.number] = self.now().date().isoformat()
            self.log_event("Number deactivated", f"{person.number} is on today's list")
        elif self.state.given_up.pop(person.number, None):
            self.log_event("Number reassigned", f"{person.number} is no longer listed; lists already read stay read")

    def deactivations(self, day: str) -> str:
        """The list of numbers that were deactivated on that day, as the text of a file."""
        return "".join(f"{number}\n" for number, on in sorted(self.state.given_up.items()) if on == day)

    # --- messages from the shop

    def check_request(self, request: rules.SendRequest) -> rules.Problem | None:
        senders = {
            number.address: rules.SenderAbilities(number.address, mms=number.mms)
            for number in self.state.numbers.values()
        }
        account = rules.AccountState(senders, self.account.service, frozenset(self.state.opted_out))
        return rules.check_request(request, account, self.now())

    def accept(self, request: rules.SendRequest) -> Message:
        """Accepts a message that `check_request` found valid, and starts its delivery."""
        now = self.now()
        sender = request.sender or self._choose_sender(request.to or "", bool(request.media))
        status = "scheduled" if request.schedule else "accepted" if request.service else "queued"
        message = Message(
            ("MM" if request.media else "SM") + self.hexadecimal(), "outbound-api", sender, request.to or "",
            request.body or "", status, now.isoformat(), self._segments(request.body or ""), media_urls=list(request.media),
            service=request.service or "", callback=request.callback or "", validity_s=int(request.validity or 36_000),
            send_at=request.send_at or "", updated_at=now.isoformat(),
        )  # fmt: skip
        self._add(message)
        self._spawn(self._deliver(message))
        return message

    def _choose_sender(self, to: str, mms: bool) -> str:
        """The messaging service's choice of sender: preferably a number of the recipient's country."""
        numbers = [number for number in self.state.numbers.values() if number.inbound and (number.mms or not mms)]
        to_north_america = to.startswith("+1")
        numbers.sort(key=lambda number: (number.country == "US") != to_north_america)
        return numbers[0].address

    def _add(self, message: Message) -> None:
        self.state.arrivals += 1
        message.position = self.state.arrivals
        self.state.messages[message.sid] = message
        while len(self.state.messages) > MAX_MESSAGES:
            self.forget(next(iter(self.state.messages.values())))
        self.changed()

    def forget(self, message: Message) -> None:
        for picture in message.pictures:
            self._store.forget_picture(picture.sid)
        self.state.messages.pop(message.sid, None)
        self.changed()

    def cancel(self, message: Message) -> bool:
        if message.status not in rules.CANCELABLE:
            return False
        message.set_status("canceled", self.now())
        self.changed()
        self._spawn(self._report_status(message, message.status))
        return True

    async def _deliver(self, message: Message) -> None:
        """Delivers a message to the phone and reports every status but the first to the shop."""
        statuses: list[str] = []
        await self._run_delivery(message, self.state.switches, statuses)
        for status in reversed(statuses):
            await self._report_status(message, status)

    async def _run_delivery(self, message: Message, switches: Switches, statuses: list[str]) -> None:
        steps = [] if message.status != "accepted" else ["queued"]
        if message.status == "scheduled":
            await self._wait_until_send_time(message)
            steps = ["accepted", "queued"]
        for status in steps:
            await self._advance(message, status, self._pace.sent / 4, statuses, switches)
        if message.status == "queued" and not await self._load_pictures(message):
            await self._fail(message, "failed", message.error or 63019, "A picture could not be fetched")
            return
        if message.status == "queued":
            if self._expired(message):
                await self._fail(message, "failed", 30036, "Validity Period Expired")
                return
            await self._advance(message, "sent", self._pace.sent, statuses, switches)
        if message.status != "sent":
            return  # it was cancelled meanwhile
        match switches.outcome:
            case "undelivered":
                await self._pause(self._pace.delivered, switches)
                await self._fail(message, "undelivered", 30003, "Unreachable destination handset")
            case "filtered":
                await self._pause(self._pace.delivered, switches)
                await self._fail(message, "undelivered", 30007, "Message filtered")
            case "sent":
                self._mark_arrived(message)  # many routes never report more than `sent`
                self.changed()
            case "delivered":
                await self._advance(message, "delivered", self._pace.delivered, statuses, switches)

    async def _wait_until_send_time(self, message: Message) -> None:
        send_at = rules.parse_time(message.send_at)
        if send_at is not None:
            await asyncio.sleep(max(0.0, (send_at - self.now()).total_seconds()))

    async def _advance(
        self, message: Message, status: str, delay_s: float, pending: list[str], switches: Switches
    ) -> None:
        """Sets the next status and reports it. With shuffled callbacks, reports are sent at the end, in reverse order."""
        previous_status = message.status
        await self._pause(delay_s, switches)
        if message.status != previous_status:
            return
        message.set_status(status, self.now())
        if status == "sent":
            message.sent_at = message.updated_at
        if status == "delivered":
            self._mark_arrived(message)
        self.changed()
        if switches.callbacks_shuffled:
            pending.append(status)
        else:
            await self._report_status(message, status)

    async def _pause(self, seconds: float, switches: Switches) -> None:
        await asyncio.sleep(seconds * (self._pace.slow if switches.pace == "slow" else 1.0))

    def _mark_arrived(self, message: Message) -> None:
        message.arrived_at = self.now().isoformat()

    def _expired(self, message: Message) -> bool:
        return self.now() - datetime.fromisoformat(message.created_at) > timedelta(seconds=message.validity_s)

    async def _fail(self, message: Message, status: str, code: int, sentence: str) -> None:
        message.error, message.error_message = code, sentence
        message.set_status(status, self.now())
        self.changed()
        await self._report_status(message, status)

    async def _load_pictures(self, message: Message) -> bool:
        """Downloads attached pictures, only from this server."""
        for url in message.media_urls[len(message.pictures) :]:
            allowed_origins = [
                origin for origin in (self.app.settings.public_url, self.app.settings.demo_url) if origin
            ]
            if not any(url.startswith(f"{origin}/") for origin in allowed_origins):
                self.log_event("Picture not fetched", f"{url[:80]} is not on this server", ok=False)
                return False
            fetched = await self.webhooks.fetch(url, MAX_PICTURE)
            if isinstance(fetched, int):
                message.error = fetched
                self.log_event("Picture not fetched", f"error {fetched}", ok=False)
                return False
            data, kind = fetched
            if kind not in PICTURES:
                message.error = 12300
                self.log_event("Picture not fetched", f"its type is {kind[:40]}", ok=False)
                return False
            message.pictures.append(self._picture(data, kind))
        return True

    def _picture(self, data: bytes, kind: str) -> Picture:
        sid = "ME" + self.hexadecimal()
        self._store.keep_picture(sid, data)
        return Picture(sid, kind, len(data))

    def picture(self, sid: str) -> bytes | None:
        return self._store.picture(sid)

    def forget_picture(self, message: Message, sid: str) -> None:
        message.pictures = [picture for picture in message.pictures if picture.sid != sid]
        self._store.forget_picture(sid)
        self.changed()

    async def _report_status(self, message: Message, status: str) -> None:
        """Sends one status callback; twice if the switch says so."""
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
        calls = [self.webhooks.post(message.callback, params)]
        if self.state.switches.callbacks_twice:
            calls.append(self.webhooks.post(message.callback, params))
        answers = await asyncio.gather(*calls)
        self._log_results(f"Status: {status}", message, answers)

    async def report_early(self, message: Message) -> None:
        """With shuffled callbacks, sends a report before the response to the create request (F34)."""
        try:
            await asyncio.wait_for(self._report_status(message, "sent"), 1.0)
        except TimeoutError:
            self.log_event("Status: sent", "the shop did not accept it within a second", ok=False)

    def _log_results(self, event: str, message: Message, results: Iterable[WebhookResult]) -> None:
        for result in results:
            ok = 200 <= result.status < 300
            tries = f", {result.tries} tries" if result.tries > 1 else ""
            self.log_event(event, f"{message.sid[:8]}…: {result.status or result.error}{tries}", ok)

    # --- texts from people

    def text(self, person: Person, to: str, body: str, pictures: list[tuple[bytes, str]]) -> Message:
        """A person texts one of the shop's numbers."""
        number = self.state.numbers[to]
        now = self.now().isoformat()
        message = Message(
            ("MM" if pictures else "SM") + self.hexadecimal(), "inbound", person.number, to, body, "received", now,
            self._segments(body), [self._picture(data, kind) for data, kind in pictures], updated_at=now, sent_at=now,
            arrived_at=now,
        )  # fmt: skip
        self._add(message)
        keyword_result = rules.handle_keyword(number.kind, body, (to, person.number) in self.state.opted_out)
        if keyword_result is not None:
            if keyword_result.blocks is True:
                self.state.opted_out.add((to, person.number))
            elif keyword_result.blocks is False:
                self.state.opted_out.discard((to, person.number))
            if keyword_result.answer:
                self._send_to_phone(message, keyword_result.answer)
        self._spawn(self._report_inbound(message, number))
        return message

    def _send_to_phone(self, message: Message, body: str) -> Message:
        """Sends a text to the phone: the carrier's own reply, or one from a TwiML response."""
        now = self.now().isoformat()
        message_to_phone = Message(
            "SM" + self.hexadecimal(), "outbound-reply", message.to, message.sender, body, "delivered", now,
            self._segments(body), updated_at=now, sent_at=now, arrived_at=now,
        )  # fmt: skip
        self._add(message_to_phone)
        return message_to_phone

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

    async def _report_inbound(self, message: Message, number: Number) -> None:
        """Calls the inbound webhook; texts in its response go to the phone."""
        if not number.sms_url:
            self.log_event("Text not reported", f"{number.address} has no webhook", ok=False)
            return
        params, key = self.inbound_params(message, number), self.app.ids.token(16)
        calls = [self.webhooks.post(number.sms_url, params, method=number.sms_method, key=key)]
        if self.state.switches.webhooks_twice:
            calls.append(self.webhooks.post(number.sms_url, params, method=number.sms_method, key=key))
        results = await asyncio.gather(*calls)
        self._log_results("Text reported", message, results)
        for result in results:
            if 200 <= result.status < 300:
                for body in replies(result):
                    self._send_to_phone(message, body)


def of(app: App) -> Carrier:
    return app.part(Carrier)
