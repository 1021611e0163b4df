"""Groups of countries that filters name, and distances between postal codes. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

_EU = "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE"

# By the name in a filter: ISO 3166 codes.
REGIONS: dict[str, frozenset[str]] = {
    "eu": frozenset(_EU.split()),
    "eea": frozenset(f"{_EU} IS LI NO".split()),
    "uk": frozenset(("GB", "GG", "IM", "JE")),
    "us": frozenset("US AS GU MP PR UM VI".split()),
    "north_america": frozenset("US CA MX".split()),
    "latin_america": frozenset("AR BO BR CL CO CR CU DO EC GT HN HT MX NI PA PE PR PY SV UY VE".split()),
    "asia_pacific": frozenset(
        "AU BD BN BT CN FJ HK ID IN JP KH KR LA LK MM MN MO MV MY NP NZ PG PH PK SG TH TL TW VN".split()
    ),
}


def countries_of(countries: Iterable[str], regions: Iterable[str]) -> frozenset[str]:
    """All countries of the regions, and these countries. Unknown regions have none."""
    return frozenset(countries).union(*(REGIONS.get(region, frozenset()) for region in regions))


# A degree of latitude is 111.195 km; positions are in hundred-thousandths of a degree.
UNITS_OF_KM = 100_000 / 111.195
SHRINK_SCALE = 10_000


class Circle(NamedTuple):
    """Whole numbers, so that SQL and Python agree: a position is inside if
    `(latitude - this)² + ((longitude - this) * shrink / SHRINK_SCALE)² <= radius²`. Right to about 1 % up to 500 km."""

    latitude: int
    longitude: int
    shrink: int  # how much shorter a degree of longitude is at this latitude
    radius: int


def circle(latitude: int, longitude: int, km: int) -> Circle:
    shrink = round(math.cos(math.radians(latitude / 100_000)) * SHRINK_SCALE)
    return Circle(latitude, longitude, shrink, round(km * UNITS_OF_KM))


def inside(circle: Circle, latitude: int, longitude: int) -> bool:
    north = latitude - circle.latitude
    # SQL divides towards zero, so the sign is dropped first.
    east = abs(longitude - circle.longitude) * circle.shrink // SHRINK_SCALE
    return north * north + east * east <= circle.radius * circle.radius


def normal_code(text: str) -> str:
    """A postal code as it is stored and compared: lower case, without spaces and hyphens."""
    return text.strip().casefold().replace(" ", "").replace("-", "")
