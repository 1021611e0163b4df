"""Previews of a campaign's text, and test texts to a colleague's phone (CAM-33, CAM-34)."""

from __future__ import annotations

from typing import Any

from server.accounts.rules import Agent
from server.audit.actions import record
from server.campaigns import queries
from server.campaigns.queries import Campaign
from server.campaigns.terms import composer
from server.contacts import merging
from server.contacts import queries as contacts
from server.contacts.rules import Phone, normal_phone
from server.delivery import actions as delivery
from server.delivery import bulk
from server.delivery import queries as outgoing
from server.delivery.actions import Send
from server.delivery.rules import MAX_TEXT, country_of, masked
from server.delivery.segments import cost
from server.delivery.settings import SMS
from server.errors import Conflict, NotFound, Refused
from server.kernel.sql import Conn, Tx
from server.receipts import variables


def preview(conn: Conn, campaign: Campaign, base: str, contact: int | None, country: str = "") -> dict[str, Any]:
    """The text as a contact gets it; None: an invented person, in `country`. Raises `NotFound`, `TemplateError`."""
    variables.parse(conn, campaign.content.text)
    values, country = _person(conn, campaign, contact, country)
    text = composer(conn, campaign, base)(values, country).body
    counted = cost(text)
    return {
        "text": text,
        "characters": len(text),
        "segments": counted.segments,
        "encoding": counted.encoding,
        "special": list(counted.special),
        "credits": bulk.cost(SMS.load(conn), country, counted.segments, False),
        "country": country,
    }


def _person(conn: Conn, campaign: Campaign, contact: int | None, country: str) -> tuple[dict[str, Any], str]:
    if contact is None:
        return {**variables.SAMPLE, "country": country or "US"}, country or "US"
    root = merging.root(conn, contact)
    person = contacts.brief(conn, root)
    if person is None:
        raise NotFound("This contact does not exist.")
    values = variables.values_of(conn, [root], campaign.content.text)[root]
    return values, country or country_of(person.phone or "") or person.country


def send_test(
    tx: Tx, agent: Agent, campaign_id: int, raw_phone: str, base: str, contact: int | None = None, address: str = ""
) -> int:
    """Queues a test to this number and returns the message. It is free, and a number that opted out gets none.

    Raises `Refused` "bad_phone", `Conflict` "sms_off" or "no_sender", and what `preview` raises.
    """
    campaign = queries.by_id(tx, campaign_id)
    if not SMS.load(tx).on:
        raise Conflict("sms_off", "Turn on SMS under Settings → SMS first.")
    phone = normal_phone(raw_phone)
    if not isinstance(phone, Phone):
        raise Refused(
            "bad_phone", "Enter the number with + and its country code, for example +12025550143.", field="phone"
        )
    if outgoing.sender_for(tx, country_of(phone.e164)) is None:
        raise Conflict("no_sender", "None of your numbers can text this country.")
    text = preview(tx, campaign, base, contact, "" if contact else country_of(phone.e164))["text"]
    if len(text) > MAX_TEXT:
        raise Refused("too_long", f"A text message can have at most {MAX_TEXT:,} characters.", field="text")
    record(tx, agent.id, "campaign_tested", str(campaign.id), address, phone=masked(phone.e164))
    send = Send(f"test:{campaign.id}:{tx.token(12)}", "test", "test", None, phone.e164, text)
    return delivery.queue(tx, send).id
