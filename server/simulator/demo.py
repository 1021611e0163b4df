"""The demo: a shop's last two weeks, told through the product's own verbs on a manual clock, never by SQL."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from server.accounts import actions as accounts
from server.accounts import links
from server.accounts.actions import Browser, SignedIn
from server.accounts.rules import Agent, Role
from server.app import build, close
from server.consent import settings as consent_settings
from server.consent.settings import KeywordSettings, SubscribeKeyword
from server.inbox import actions as inbox
from server.inbox import settings as inbox_settings
from server.inbox import timeline, visitor_actions, widget
from server.inbox.actions import Outgoing
from server.inbox.queries import Ticket
from server.inbox.settings import InboxSettings, ShowMedia
from server.inbox.visitor_actions import Inbound, VisitorInfo
from server.kernel.clock import ManualClock, SystemClock
from server.kernel.context import App
from server.kernel.ids import digest
from server.settings import Settings
from server.simulator import account, demo_sms
from server.simulator.demo_script import CHATS, Chat
from server.simulator.demo_texts import TEXTS, Texting

HERE = Browser("127.0.0.1", "Threadline demo")


@dataclass
class _Told:
    """Where the telling stands."""

    app: App
    clock: ManualClock
    dice: random.Random
    team: list[Agent]
    keys: int = 0

    def key(self) -> str:
        self.keys += 1
        return f"demo-{self.keys:06d}"


async def fill(settings: Settings, connect_phone: Callable[[App], Awaitable[None]]) -> None:
    """`connect_phone` sets SMS up. Owner, team, widget and some thirty conversations in every state that exists."""
    now = SystemClock().now()
    clock = ManualClock(now - timedelta(days=14))
    app = await build(settings, clock=clock)
    try:
        told = _Told(app, clock, random.Random(7), [])  # noqa: S311 - repeatable on purpose
        told.team = await _team(app)
        await _shop(app, settings, told.team[0])
        await connect_phone(app)
        async with demo_sms.carrier(app) as carrier:
            await _conversations(told, now, carrier if settings.twilio_url == account.base_url(settings) else None)
    finally:
        await close(app)


async def _team(app: App) -> list[Agent]:
    password = app.ids.token(24)  # nobody needs it: the console link signs in, and a new one can be made
    owner = await accounts.create_owner(app, "mina@fern-kettle.example", "Mina Park", password)
    mina = Agent(owner.id, owner.name, owner.email or "", Role.OWNER, 0)
    team = [mina]
    for name, email, role in (
        ("Jonas Weber", "jonas@fern-kettle.example", Role.SUPPORT),
        ("Ola Nowak", "ola@fern-kettle.example", Role.MANAGER),
    ):
        _, url = await links.invite(app, mina, email, role, "127.0.0.1")
        signed: SignedIn = await links.finish(app, url.partition("#")[2], name, app.ids.token(24), HERE)
        team.append(Agent(signed.user.id, name, email, role, 0))
    return team


async def _shop(app: App, settings: Settings, owner: Agent) -> None:
    wanted = widget.WidgetSettings(
        brand="Fern & Kettle",
        color="#2f6b4f",
        welcome="Hello! Ask us anything about tea, pots and plants. We usually answer within minutes.",
        privacy_url="https://example.com/privacy",
        terms_url="https://example.com/terms",
        sites=[settings.demo_url] if settings.demo_url else [],
    )
    await app.write(widget.save, wanted)
    words = KeywordSettings(subscribe=[SubscribeKeyword(word="JOIN")], help_contact="care@fern-kettle.example")
    await app.write(consent_settings.change, owner, words, HERE.address)
    # They want to see what came broken; without a word from the owner pictures stay hidden (AMB-6).
    await app.write(inbox_settings.change, owner, InboxSettings(show_media=ShowMedia(sms=True)), HERE.address)


async def _conversations(told: _Told, now: datetime, carrier: demo_sms.Carrier | None) -> None:
    """Each at its hour, oldest first; the newest ones are still waiting. Texts only where the stand-in carries them."""
    found: list[Chat | Texting] = [*CHATS, *(TEXTS if carrier is not None else ())]
    for number, one in enumerate(sorted(found, key=lambda one: -one.hours_ago)):
        start = now - timedelta(hours=one.hours_ago)
        if start > told.clock.now():
            told.clock.advance(start - told.clock.now())
        if isinstance(one, Chat):
            await _tell(told, number, one)
        elif carrier is not None:
            agent = told.team[one.agent % len(told.team)]
            await demo_sms.tell(told.app, carrier, agent, one, told.key, lambda: _tick(told))


def _tick(told: _Told) -> None:
    told.clock.advance(timedelta(seconds=told.dice.randint(20, 90)))


async def _tell(told: _Told, number: int, chat: Chat) -> None:
    visitor = digest(f"demo visitor {number} {told.app.ids.token(8)}")
    agent = told.team[chat.agent % len(told.team)]
    ticket: Ticket | None = None
    welcome = (await widget.cached(told.app).get()).welcome
    for line in chat.lines:
        told.clock.advance(timedelta(seconds=told.dice.randint(20, 90)))
        if line.startswith("<"):
            ticket = await _visitor_says(told, visitor, chat, line[1:].strip(), welcome)
        elif ticket is not None and line.startswith("#"):
            await _agent_says(told, agent, ticket, line[1:].strip(), "note")
        elif ticket is not None:
            await told.app.write(inbox.read, agent, ticket.id, ticket.last_seq)
            ticket = await _agent_says(told, agent, ticket, line[1:].strip(), "reply")
            if chat.seen:
                await told.app.write(visitor_actions.visitor_seen, visitor, ticket.last_public_seq)
    if ticket is None:
        return
    if chat.email:
        await told.app.write(visitor_actions.introduce, visitor, told.key(), chat.email, chat.name or None)
    if chat.ended == "visitor":
        await told.app.write(visitor_actions.visitor_end, visitor, told.key())
    elif chat.ended == "agent":
        await told.app.write(inbox.close, agent, ticket.id, told.key())
        told.clock.advance(timedelta(seconds=6))
        await told.app.write(inbox.close_due, ticket.id, timeline.by(agent))


async def _visitor_says(told: _Told, visitor: str, chat: Chat, text: str, welcome: str) -> Ticket:
    info = VisitorInfo(
        page_url=f"https://fern-kettle.example/{chat.page}",
        page_title=f"{chat.page.replace('-', ' ').title()} – Fern & Kettle",
        referrer=chat.referrer,
        user_agent=chat.browser,
        locale=chat.locale,
        time_zone=chat.time_zone,
        typed_name=chat.name or None,
    )
    said = Inbound(visitor, told.key(), text, (), welcome, info)
    return (await told.app.write_joined(visitor_actions.receive, said)).ticket


async def _agent_says(told: _Told, agent: Agent, ticket: Ticket, text: str, mode: str) -> Ticket:
    said = Outgoing(ticket.id, told.key(), text, (), "note" if mode == "note" else "reply")
    return (await inbox.reply(told.app, agent, said)).ticket
