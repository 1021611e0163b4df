"""Filters that every account can start from (IMP-5, IMP-12, AMB-15), and the people that a sample invents. Pure."""

from __future__ import annotations

from typing import Any

from server.audiences.conditions import ADDED
from server.audiences.filters import FilterTree, parse_tree
from server.contacts.property_rules import FIXED

DAYS = 120
_OPEN, _CLICK = FIXED[1].id, FIXED[2].id


def _date(property_id: int, op: str = "within_last", negate: bool = False) -> dict[str, Any]:
    return {"kind": "date", "property": property_id, "op": op, "days": DAYS, "negate": negate}


# Together engaged and inactive are everybody whose date is not in the future, and nobody is in both.
PRESETS: dict[str, FilterTree] = {
    name: parse_tree({"groups": groups})
    for name, groups in {
        "sms_subscribers": [[{"kind": "consent", "purpose": "sms_marketing"}]],
        "email_subscribers": [[{"kind": "consent", "purpose": "email_marketing"}]],
        "engaged": [[_date(_OPEN), _date(_CLICK), _date(ADDED)]],
        "inactive": [[_date(_OPEN, negate=True)], [_date(_CLICK, negate=True)], [_date(ADDED, "before_last")]],
    }.items()
}

INVENTED: tuple[dict[str, Any], ...] = tuple(
    {"id": None, "name": name, "email": f"{name.split()[0].lower()}@example.com", "phone": phone, "country": country}
    for name, phone, country in (
        ("Alex Example", "+12025550101", "US"),
        ("Billie Example", "+12025550102", "US"),
        ("Chris Example", "+442079460103", "GB"),
        ("Dana Example", "+48225550104", "PL"),
        ("Eun Example", "+8225550105", "KR"),
    )
)
