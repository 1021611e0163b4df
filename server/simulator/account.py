"""The demo's account at the simulated carrier: base address, credentials and the shop's numbers."""

from __future__ import annotations

from dataclasses import dataclass

from server.kernel.context import App
from server.settings import Settings
from server.simulator.state import Number

ROOT = "/simulator/twilio"
VERSION = "2010-04-01"


def base_url(settings: Settings) -> str:
    """The base address of the simulated carrier, for the SDK."""
    return settings.public_url + ROOT


@dataclass(frozen=True, slots=True)
class Account:
    """Credentials of the demo account, derived from the server's key and stored nowhere."""

    sid: str
    token: str
    service: str


def account(app: App) -> Account:
    key = app.key("simulator").hex()
    return Account("AC" + key[:32], app.key("simulator token").hex()[:32], "MG" + key[32:])


# The shop's senders: a toll-free number for the US and Canada, a British number, and a name for Germany.
NUMBERS: tuple[Number, ...] = (
    Number("", "+18885550199", "toll_free", "US", mms=True, inbound=True),
    Number("", "+447400123456", "long_code", "GB", mms=False, inbound=True),
    Number("", "FernKettle", "alphanumeric", "DE", mms=False, inbound=False),
)

# The countries that each sender serves.
SERVES: dict[str, tuple[str, ...]] = {
    "+18885550199": ("US", "CA"),
    "+447400123456": ("GB", "IE", "PL"),
    "FernKettle": ("DE", "AT"),
}
