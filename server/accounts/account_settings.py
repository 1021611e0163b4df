"""Settings of the whole account: its time zone."""

from __future__ import annotations

from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from server.kernel.documents import STORED, Document, input_error
from server.kernel.sql import Conn, Tx

UTC = "UTC"


class AccountSettings(BaseModel):
    """`time_zone`: an IANA name; "": not chosen yet, so the account's times are in UTC."""

    model_config = ConfigDict(extra="ignore")

    time_zone: str = Field("", max_length=64)

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str, info: ValidationInfo) -> str:
        if value and not is_time_zone(value) and info.context != STORED:
            raise input_error("unknown_zone", "This time zone does not exist.")
        return value


ACCOUNT: Document[AccountSettings] = Document("account", AccountSettings)


@cache
def _names() -> frozenset[str]:
    return frozenset(name for name in available_timezones() if "/" in name or name == UTC)


def is_time_zone(name: str) -> bool:
    return name in _names()


def time_zone(conn: Conn) -> ZoneInfo:
    """The account's time zone: UTC until somebody chooses one."""
    return zone_of(ACCOUNT.load(conn))


def zone_of(settings: AccountSettings) -> ZoneInfo:
    """The time zone of these settings: UTC without one."""
    name = settings.time_zone
    return ZoneInfo(name if is_time_zone(name) else UTC)


def set_first_zone(tx: Tx, name: str) -> None:
    """Stores the zone of the owner's browser at set-up; an unknown name stores nothing."""
    if is_time_zone(name):
        ACCOUNT.save(tx, AccountSettings(time_zone=name))
