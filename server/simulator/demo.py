"""Fills the demo with two weeks of a shop's conversations, through the product's own functions and a manual clock."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from server.accounts import actions as accounts
from server.accounts import single_use_links
from server.accounts.actions import Browser, SignedIn
from server.accounts.rules import Agent, Role
from server.app import build, close
from server.audit import versions
from server.consent import settings as consent_settings
from server.consent.settings import KEYWORDS, KeywordSettings, SubscribeKeyword
from server.inbox import actions as inbox
from server.inbox import lists, quick_replies, snoozing
from server.inbox import settings as inbox_settings
from server.inbox.actions import Outgoing
from server.inbox.lists import ListQuery
from server.kernel.clock import ManualClock, SystemClock
from server.kernel.context import App
from server.kernel.ids import digest
from server.settings import Settings
from server.simulator import account, demo_people, demo_sms
from server.simulator.demo_script import CHATS, Chat
from server.simulator.demo_texts import TEXTS, Texting
from server.simulator.state import PEOPLE
from server.sms.settings import ShowMedia
from server.threads import timeline
from server.threads.tickets import Ticket
from server.webchat import actions, receiving
from server.webchat import settings as widget
from server.webchat.actions import VisitorInfo
from server.webchat.receiving import Inbound
from server.webchat.settings import WIDGET

DEMO_BROWSER = Browser("127.0.0.1", "Threadline demo")


@dataclass
class _Demo:
    """The state of the replay."""

    app: App
    clock: ManualClock
    rng: random.Random
    team: list[Agent]
    keys: int = 0

    def key(self) -> str:
        self.keys += 1
        return f"demo-{self.keys:06d}"


async def fill(settings: Settings, connect_phone: Callable[[App], Awaitable[None]]) -> None:
    """Creates owner, team, widget settings and conversations in every state. `connect_phone` configures SMS."""
    now = SystemClock().now()
    clock = ManualClock(now - timedelta(days=14))
    app = await build(settings, clock=clock)
    try:
        demo = _Demo(app, clock, random.Random(7), [])  # noqa: S311 - repeatable on purpose
        demo.team = await _team(app)
        await _shop(app, settings, demo.team[0])
        await connect_phone(app)
        await demo_sms.welcome_a_customer(app, demo.team[0], PEOPLE[0])
        await demo_people.store(app, demo.team[0])
        async with demo_sms.carrier(app) as carrier:
            await _conversations(demo, now, carrier if settings.twilio_url == account.base_url(settings) else None)
            await _snooze(demo)
    finally:
        await close(app)


async def _team(app: App) -> list[Agent]:
    password = app.ids.token(24)  # not needed: the console link signs in, and another can be made
    owner = await accounts.create_owner(app, "mina@fern-kettle.example", "Mina Park", password)
    mina = Agent(owner.id, owner.name, owner.email or "", Role.OWNER, 0)
    team = [mina]
    for name, email, role in (
        ("Jonas Weber", "jonas@fern-kettle.example", Role.SUPPORT),
        ("Ola Nowak", "ola@fern-kettle.example", Role.MANAGER),
    ):
        _, url = await single_use_links.invite(app, mina, email, role, "127.0.0.1")
        signed: SignedIn = await single_use_links.finish(
            app, url.partition("#")[2], name, app.ids.token(24), DEMO_BROWSER
        )
        team.append(Agent(signed.user.id, name, email, role, 0))
    return team


async def _shop(app: App, settings: Settings, owner: Agent) -> None:
    widget_settings = widget.WidgetSettings(
        brand="Fern & Kettle",
        color="#2f6b4f",
        welcome="Hello! Ask us anything about tea, pots and plants.",
        welcome_away="Hello! Write to us about tea, pots and plants. We read everything in the morning.",
        privacy_url="https://example.com/privacy",
        terms_url="https://example.com/terms",
        sites=[settings.demo_url] if settings.demo_url else [],
    )
    await app.write(WIDGET.save, widget_settings)
    keywords = KeywordSettings(subscribe=[SubscribeKeyword(word="JOIN")], help_contact="care@fern-kettle.example")
    version = (await app.read(versions.load, KEYWORDS)).version
    await app.write(consent_settings.change, owner, keywords, version, DEMO_BROWSER.address)
    # Show texted pictures, which are hidden by default (AMB-6).
    media = inbox_settings.InboxForm(show_media=ShowMedia(sms=True))
    version = (await app.read(inbox_settings.load_versioned)).version
    await app.write(inbox_settings.change, owner, media, version, DEMO_BROWSER.address)


async def _conversations(demo: _Demo, now: datetime, carrier: demo_sms.Carrier | None) -> None:
    """Replays each conversation at its time, oldest first. Texts only if the simulated carrier is used."""
    scripts: list[Chat | Texting] = [*CHATS, *(TEXTS if carrier is not None else ())]
    for number, script in enumerate(sorted(scripts, key=lambda script: -script.hours_ago)):
        start = now - timedelta(hours=script.hours_ago)
        if start > demo.clock.now():
            demo.clock.advance(start - demo.clock.now())
        if isinstance(script, Chat):
            await _replay_chat(demo, number, script)
        elif carrier is not None:
            agent = demo.team[script.agent % len(demo.team)]
            await demo_sms.replay(demo.app, carrier, agent, script, demo.key, lambda: _tick(demo))


QUICK_REPLIES = {
    "hours": 'Hello {{ first_name|default("there") }}! We are here from Monday to Friday, nine to five.',
    "returns": "You can return anything within 30 days. Send it to us with your order number. {{ agent_name }}, {{ brand }}",
}
SNOOZES = ("tomorrow", "week", "later")  # of the tickets that have waited longest


async def _snooze(demo: _Demo) -> None:
    """Snoozes a few open tickets, which wake by themselves, and stores quick replies."""
    agent = demo.team[1]
    for shortcut, text in QUICK_REPLIES.items():
        reply = quick_replies.QuickReply(shortcut=shortcut, text=text)
        await demo.app.write(quick_replies.add, agent, reply, DEMO_BROWSER.address)
    query = ListQuery("open", None, "all", "oldest", agent.id, len(SNOOZES))
    for ticket, until in zip(await demo.app.read(lists.list_tickets, query), SNOOZES, strict=False):
        await demo.app.write(snoozing.snooze, agent, ticket.id, until, demo.key())


def _tick(demo: _Demo) -> None:
    demo.clock.advance(timedelta(seconds=demo.rng.randint(20, 90)))


async def _replay_chat(demo: _Demo, number: int, chat: Chat) -> None:
    visitor = digest(f"demo visitor {number} {demo.app.ids.token(8)}")
    agent = demo.team[chat.agent % len(demo.team)]
    ticket: Ticket | None = None
    welcome = (await WIDGET.cached(demo.app).get()).welcome
    for line in chat.lines:
        demo.clock.advance(timedelta(seconds=demo.rng.randint(20, 90)))
        if line.startswith("<"):
            ticket = await _visitor_says(demo, visitor, chat, line[1:].strip(), welcome)
        elif ticket is not None and line.startswith("#"):
            await _agent_says(demo, agent, ticket, line[1:].strip(), "note")
        elif ticket is not None:
            await demo.app.write(inbox.read, agent, ticket.id, ticket.last_seq)
            ticket = await _agent_says(demo, agent, ticket, line[1:].strip(), "reply")
            if chat.seen:
                await demo.app.write(actions.visitor_seen, visitor, ticket.last_public_seq)
    if ticket is None:
        return
    if chat.email:
        await demo.app.write(actions.introduce, visitor, demo.key(), chat.email, chat.name or None)
    if chat.ended == "visitor":
        await demo.app.write(actions.visitor_end, visitor, demo.key())
    elif chat.ended == "agent":
        await demo.app.write(inbox.close, agent, ticket.id, demo.key())
        demo.clock.advance(timedelta(seconds=6))
        await demo.app.write(inbox.close_due, ticket.id, timeline.by(agent))


async def _visitor_says(demo: _Demo, visitor: str, chat: Chat, text: str, welcome: str) -> Ticket:
    info = VisitorInfo(
        page_url=f"https://fern-kettle.example/{chat.page}",
        page_title=f"{chat.page.replace('-', ' ').title()} – Fern & Kettle",
        referrer=chat.referrer,
        user_agent=chat.browser,
        locale=chat.locale,
        time_zone=chat.time_zone,
        typed_name=chat.name or None,
    )
    message = Inbound(visitor, demo.key(), text, (), welcome, info)
    return (await demo.app.write_joined(receiving.receive, message)).ticket


async def _agent_says(demo: _Demo, agent: Agent, ticket: Ticket, text: str, mode: str) -> Ticket:
    message = Outgoing(ticket.id, demo.key(), text, (), "note" if mode == "note" else "reply")
    return (await inbox.reply(demo.app, agent, message)).ticket
