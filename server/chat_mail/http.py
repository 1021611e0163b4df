"""Lets a visitor return to the chat through the link of a follow-up mail."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from server.chat_mail import return_links
from server.kernel.context import App
from server.kernel.ids import digest
from server.web import auth
from server.web.http import PUBLIC, Call, Endpoint
from server.web.visitor_limits import visitor_limits


class ReturnBody(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    link: str = Field(min_length=20, max_length=100)  # the fragment of the return link
    token: str | None = Field(None, max_length=200)  # of this browser's visitor, if there is one


class Returned(BaseModel):
    token: str  # of a visitor who may read and write the conversation


async def open_return_link(app: App, call: Call) -> Any:
    """Continue the conversation of a follow-up mail: sent by the page's button, because mail scanners open pages."""
    body: ReturnBody = call.body
    own_key = None if body.token is None else auth.anonymous_key(app, body.token)
    visitor_limits(app).count_or_refuse("POST /widget/return", own_key or digest(body.link), call.address)
    token = auth.mint_visitor_token(app)
    new_key = auth.visitor_key(app, token, None).key
    is_guest = await app.write(return_links.open_link, digest(body.link), own_key, new_key)
    return {"token": token if is_guest else body.token}


ENDPOINTS: list[Endpoint] = [
    Endpoint("POST", "/widget/return", open_return_link, PUBLIC, ReturnBody, response=Returned, area="inbox"),
]
