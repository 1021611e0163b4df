"""Imports through a running server: what a browser or a program does, in a few calls."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.online import Agent, Answer, Online


class Import:
    """One import of a signed-in user. `now`: as the server described it last."""

    def __init__(self, online: Online, agent: Agent, now: dict[str, Any]) -> None:
        self.online, self.agent, self.now = online, agent, now

    @property
    def id(self) -> int:
        return int(self.now["id"])

    @property
    def path(self) -> str:
        return f"/api/imports/{self.id}"

    @property
    def mapping(self) -> dict[str, Any]:
        return dict(self.now["mapping"])

    def column(self, header: str) -> dict[str, Any]:
        """The proposed meaning of a column; changing it changes the mapping that `maps` sends."""
        headers = [column["header"] for column in self.now["described"]["columns"]]
        return self.now["mapping"]["columns"][headers.index(header)]

    def _took(self, answer: Answer) -> Import:
        assert answer.status == 200, answer.body
        self.now = answer.json()["import"]
        return self

    async def uploads(self, name: str, data: bytes) -> Import:
        return self._took(await self.tries_upload(name, data))

    async def tries_upload(self, name: str, data: bytes) -> Answer:
        return await self.agent.send("POST", f"{self.path}/file", raw=data, headers={"x-file-name": quote(name)})

    async def reads(self, **reading: Any) -> Import:
        return self._took(await self.agent.send("PUT", f"{self.path}/reading", {"reading": reading}))

    async def tries_mapping(self, **more: Any) -> Answer:
        return await self.agent.send("PUT", f"{self.path}/mapping", {"mapping": self.mapping | more})

    async def maps(self, **more: Any) -> Import:
        return self._took(await self.tries_mapping(**more))

    async def rehearses(self) -> dict[str, Any]:
        """Returns the counts that the rehearsal predicts."""
        self._took(await self.agent.post(f"{self.path}/rehearse", {}))
        await self.works()
        assert self.now["state"] == "rehearsed", self.now
        return dict(self.now["rehearsal"]["counts"])

    async def works(self) -> None:
        """Lets the server's jobs run until they are done."""
        await self.online.world.advance(seconds=1)
        await self.looks()

    async def looks(self) -> Import:
        return self._took(await self.agent.get(self.path))

    async def runs(self) -> dict[str, Any]:
        """Rehearses and runs; returns the counts of the result."""
        await self.rehearses()
        self._took(await self.agent.post(f"{self.path}/run", {}))
        await self.works()
        assert self.now["state"] == "done", self.now
        return dict(self.now["counts"])

    async def undoes(self) -> dict[str, Any]:
        self._took(await self.agent.post(f"{self.path}/undo", {}))
        await self.works()
        assert self.now["state"] == "undone", self.now
        return dict(self.now["counts"])

    async def problems(self) -> str:
        """The file of problem rows."""
        return (await self.agent.get(f"{self.path}/problems.csv")).body.decode("utf-8-sig")


async def begins(online: Online, agent: Agent, **body: Any) -> Import:
    answer = await agent.post("/api/imports", body)
    assert answer.status == 200, answer.body
    return Import(online, agent, answer.json()["import"])


async def uploaded(online: Online, agent: Agent, name: str, data: bytes | str, **body: Any) -> Import:
    """An import with this file, read as proposed."""
    new = await begins(online, agent, **body)
    return await new.uploads(name, data.encode() if isinstance(data, str) else data)


async def imported(
    online: Online, agent: Agent, name: str, data: bytes | str, mapping: Mapping[str, Any] | None = None, **body: Any
) -> dict[str, Any]:
    """Imports the file with the proposed columns; returns the counts."""
    new = await uploaded(online, agent, name, data, **body)
    await new.maps(**(mapping or {}))
    return await new.runs()


def verdicts(counts: Mapping[str, int]) -> dict[str, int]:
    """The counts of verdicts only."""
    return {name: n for name, n in counts.items() if ":" not in name}


FILES = Path(__file__).parent / "import_files"
