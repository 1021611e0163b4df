"""Campaigns in a world without a network: an audience, a draft, and the steps to its send."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from server.app import JOBS
from server.audiences import lists
from server.campaigns import actions, queries, review
from server.campaigns.actions import Approval, Draft
from server.campaigns.audience import Groups
from server.campaigns.content import Content
from server.campaigns.queries import Campaign
from server.campaigns.rules import State
from server.delivery.actions import PUMP
from server.delivery.bulk_rules import Smart
from server.delivery.pump import Pump
from server.kernel.context import App
from server.kernel.jobs import Job, Worker
from server.kernel.sql import Tx
from server.schema import outbound, receipts
from tests.sms import new_person
from tests.world import Desk, World

TEXT = "Sale today"


def us(place: int) -> str:
    return f"+1202555{place:04d}"


async def audience(world: World, phones: Sequence[str], *, name: str = "Customers", subscribed: bool = True) -> int:
    """A list of new people with these numbers, who agreed to texts. Returns the list."""
    desk = await world.agent("olga")

    def make(tx: Tx) -> int:
        list_id = lists.create(tx, name, desk.agent.by).id
        lists.add_members(tx, list_id, [new_person(tx, phone, subscribed) for phone in phones], desk.agent.by)
        return list_id

    return await world.app.write(make)


@dataclass
class Campaigns:
    """Creates campaigns as one member of the team and runs them."""

    world: World
    desk: Desk

    async def draft(self, include: int | Groups, text: str = TEXT, **values: Any) -> Campaign:
        """A complete draft. `values`: fields of `Draft` and of `Content`."""
        campaign = await self.world.app.write(actions.create, self.desk.agent, values.pop("name", "Sale"))
        return await self.edit(campaign, include=include, text=text, **values)

    async def edit(self, campaign: Campaign, **values: Any) -> Campaign:
        include = values.pop("include", campaign.include)
        content = {key: values.pop(key) for key in list(values) if key in Content.model_fields}
        draft = Draft(
            campaign.name,
            Groups((include,)) if isinstance(include, int) else include,
            campaign.exclude,
            Content(**{**campaign.content.model_dump(), **content}),
            campaign.smart,
            campaign.audience_at,
        )
        version = await self.world.app.read(actions.version_of, campaign)
        changed = replace(draft, **values)
        return await self.world.app.write(actions.save, self.desk.agent, campaign.id, changed, version)

    async def reviewed(self, campaign: Campaign, at: datetime | None = None) -> dict[str, Any]:
        await self.world.app.write(review.begin, campaign.id, at)
        await self.world.advance()
        result = (await self.now(campaign)).review
        assert result is not None and result["done"]
        return result

    async def approve(self, campaign: Campaign, at: datetime | None = None, **values: Any) -> Campaign:
        version = await self.world.app.read(actions.version_of, campaign)
        approval = Approval(at, **values)
        return await self.world.app.write(actions.approve, self.desk.agent, campaign.id, approval, version)

    async def send(self, campaign: Campaign) -> Campaign:
        """Reviews, approves and sends it, until nothing more happens at this moment."""
        await self.reviewed(campaign)
        await self.approve(campaign, confirmed_shortage=True)
        return await self.run(campaign)

    async def run(self, campaign: Campaign, seconds: int = 3) -> Campaign:
        for _ in range(seconds):
            await self.world.advance(seconds=1)
            await self.world.app.part(Pump).run()
        return await self.now(campaign)

    async def now(self, campaign: Campaign) -> Campaign:
        return await self.world.app.read(queries.by_id, campaign.id)

    async def receipts(self, campaign: Campaign) -> list[Any]:
        return await self.world.rows(receipts, receipts.c.cause == campaign.cause)

    async def outcomes(self, campaign: Campaign) -> Counter[str]:
        """How many receipts have each state, or state and reason."""
        return Counter(f"{row.state} {row.reason}".strip() for row in await self.receipts(campaign))

    async def texts(self) -> list[Any]:
        return await self.world.rows(outbound, outbound.c.kind == "campaign")


async def _nothing(app: App, job: Job) -> None: ...


def stop_pump(world: World) -> None:
    """Jobs send nothing from now on; `Campaigns.run` does."""
    world.worker = Worker(world.app, {**JOBS, PUMP: _nothing})


async def campaigns(world: World, name: str = "olga") -> Campaigns:
    return Campaigns(world, await world.agent(name))


__all__ = ["Smart", "State"]
