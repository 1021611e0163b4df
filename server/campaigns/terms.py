"""What a campaign says and on which terms it is sent: for its queueing, its review, previews and tests."""

from __future__ import annotations

from collections.abc import Callable

from server.campaigns.content import SAMPLE_CODE, Composer
from server.campaigns.queries import Campaign
from server.consent.settings import KEYWORDS
from server.delivery import queries as delivery
from server.delivery.settings import SMS
from server.kernel.sql import Conn
from server.links.settings import LINKS
from server.receipts.deciding import Terms
from server.webchat.settings import WIDGET


def brand(conn: Conn) -> str:
    """The name in front of each text."""
    return KEYWORDS.load(conn).brand or WIDGET.load(conn).brand


def composer(conn: Conn, campaign: Campaign, base: str, new_code: Callable[[], str] = lambda: SAMPLE_CODE) -> Composer:
    """`base`: the server's public URL. Variables were checked when the text was saved; one that was deleted since then has
    no value."""
    from server.templates import sandbox  # not at start

    content = campaign.content
    template = sandbox.parse(content.text, html=False)
    contact = KEYWORDS.load(conn).help_contact
    return Composer(content, template, brand(conn), contact, base, LINKS.load(conn).domain, new_code)


def terms(conn: Conn, campaign: Campaign, base: str, new_code: Callable[[], str] = lambda: SAMPLE_CODE) -> Terms:
    return Terms(
        composer(conn, campaign, base, new_code),
        campaign.content.text,
        campaign.smart,
        campaign.ends_at,
        SMS.load(conn),
        delivery.all_senders(conn),
    )
