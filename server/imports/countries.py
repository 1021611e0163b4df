"""ISO 3166 codes of country cells: codes, and names in English and in the languages of the console. Pure."""

from __future__ import annotations

from functools import cache
from importlib import resources

# Codes of three letters and names that the time zone database does not have.
_MORE = {
    "USA": "US", "UNITED STATES OF AMERICA": "US", "AMERICA": "US", "UK": "GB", "GREAT BRITAIN": "GB", "ENGLAND": "GB",
    "SCOTLAND": "GB", "WALES": "GB", "UNITED KINGDOM": "GB", "GBR": "GB", "SOUTH KOREA": "KR", "KOREA": "KR",
    "REPUBLIC OF KOREA": "KR", "KOR": "KR", "대한민국": "KR", "한국": "KR", "미국": "US", "일본": "JP", "중국": "CN", "영국": "GB",
    "POL": "PL", "POLSKA": "PL", "DEU": "DE", "NIEMCY": "DE", "DEUTSCHLAND": "DE", "STANY ZJEDNOCZONE": "US", "USA (US)": "US",
    "WIELKA BRYTANIA": "GB", "CZECHY": "CZ", "CZECH REPUBLIC": "CZ", "CZE": "CZ", "UKRAINA": "UA", "UKR": "UA", "RUS": "RU",
    "RUSSIAN FEDERATION": "RU", "РОССИЯ": "RU", "РФ": "RU", "РОССИЙСКАЯ ФЕДЕРАЦИЯ": "RU", "США": "US", "УКРАИНА": "UA",
    "БЕЛАРУСЬ": "BY", "БЕЛОРУССИЯ": "BY", "КАЗАХСТАН": "KZ", "ПОЛЬША": "PL", "ГЕРМАНИЯ": "DE", "FRA": "FR", "ESP": "ES",
    "ESPAÑA": "ES", "ITA": "IT", "ITALIA": "IT", "NLD": "NL", "HOLLAND": "NL", "THE NETHERLANDS": "NL", "CAN": "CA", "AUS": "AU",
    "NZL": "NZ", "MEX": "MX", "MÉXICO": "MX", "BRA": "BR", "BRASIL": "BR", "ARG": "AR", "CHN": "CN", "JPN": "JP", "IND": "IN",
    "IRL": "IE", "AUT": "AT", "ÖSTERREICH": "AT", "CHE": "CH", "SCHWEIZ": "CH", "BEL": "BE", "SWE": "SE", "NOR": "NO", "DNK": "DK",
    "FIN": "FI", "PRT": "PT", "GRC": "GR", "TUR": "TR", "TÜRKIYE": "TR", "TURKEY": "TR", "VIETNAM": "VN", "ZAF": "ZA", "ISR": "IL",
    "ARE": "AE", "UAE": "AE", "SGP": "SG", "HKG": "HK", "TWN": "TW", "PHL": "PH", "IDN": "ID", "MYS": "MY", "THA": "TH",
}  # fmt: skip


@cache
def _names() -> dict[str, str]:
    names = dict(_MORE)
    text = (resources.files("tzdata.zoneinfo") / "iso3166.tab").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            code, _, name = line.partition("\t")
            names[code] = code
            names.setdefault(name.upper(), code)
            names.setdefault(name.partition(" (")[0].upper(), code)
    return names


def country_code(cell: str) -> str | None:
    """The ISO 3166 code of two letters, or None for a country that is not known."""
    return _names().get(" ".join(cell.replace(".", "").upper().split()))
