"""The manifests of the console's areas agree with the server's pages and with the texts that each area uses."""

from __future__ import annotations

import json
import re

from server.web.pages import CONSOLE_PATHS
from tests.meta.test_front_end_imports import AREAS, CONSOLE, CONSOLE_FILES, GRAPH, ROOT, SOURCES, folder, is_manifest

TEXTS = ROOT / CONSOLE / "i18n" / "en"
# The texts that several areas load, and those that a late part brings with it.
MERGING = ("MergeForm.tsx", "MergedContacts.tsx", "merging.tsx")
BORROWED = {f"{CONSOLE}/ui/NewPassword.tsx": {"accounts"}} | {
    f"{CONSOLE}/contacts/{name}": {"merging"} for name in MERGING
}
DESK = {path.name for path in (ROOT / CONSOLE / "inbox/desk").glob("*.ts*")} - {"loadDesk.ts", "parts.ts", "props.ts"}
BORROWED |= {f"{CONSOLE}/inbox/desk/{name}": {"desk"} for name in DESK}
BORROWED |= {f"{CONSOLE}/inbox/thread/{name}": {"mail"} for name in ("MailCard.tsx", "OpenedMail.tsx")}
BORROWED |= {
    f"{CONSOLE}/contacts/eventWords.ts": {"activity", "messaging"},
    f"{CONSOLE}/inbox/details/Activity.tsx": {"activity", "messaging"},
    f"{CONSOLE}/inbox/FirstSteps.tsx": {"steps"},
    f"{CONSOLE}/inbox/Alerts.ts": {"notices"},
    f"{CONSOLE}/inbox/ticketAlerts.ts": {"notices"},
    f"{CONSOLE}/settings/NotificationWishes.tsx": {"notices"},
    f"{CONSOLE}/shell/NotificationList.tsx": {"messaging", "notices"},
}


def manifests() -> dict[str, str]:
    return {folder(name): text for name, text in SOURCES.items() if is_manifest(name)}


def text_files(manifest: str) -> set[str]:
    """The files that an area loads: `withTexts(['inbox', 'messaging'], …)` or the constant `TEXTS`."""
    result = re.findall(r"(?:withTexts\(|TEXTS: TextFile\[\] = )\[([^\]]*)\]", manifest)
    return set(re.findall(r"'(\w+)'", ",".join(result)))


def test_the_server_serves_every_address_of_the_console_and_no_other() -> None:
    expected = {"/"}
    for area, manifest in manifests().items():
        paths = re.findall(r"\bpath: '(/\w+)'", manifest)
        assert paths, area
        expected |= set(paths)
        if area != "accounts":  # the pages of accounts have no parts
            expected |= {f"{path}/{{rest:path}}" for path in paths}
    assert set(CONSOLE_PATHS) == expected


def test_the_router_and_the_rail_know_every_area() -> None:
    router, area_list = SOURCES[f"{CONSOLE}/shell/router.tsx"], SOURCES[f"{CONSOLE}/shell/areas.ts"]
    for area in AREAS:
        assert f"from '../{area}/manifest'" in router
        assert f"from '../{area}/manifest'" in area_list


def test_each_area_loads_the_texts_that_it_shows() -> None:
    owner = {key: path.stem for path in TEXTS.glob("*.json") for key in json.loads(path.read_text())}
    loaded_texts = {area: text_files(manifest) | {"shell"} for area, manifest in manifests().items()}
    assert loaded_texts["inbox"] == {"shell", "inbox", "messaging"}
    key = re.compile(rf"['\"`]({'|'.join(owner)})\.[\w.]*(?:['\"`]|\$\{{)")
    checked = 0
    for name in CONSOLE_FILES:
        own_area = folder(name)
        allowed = loaded_texts.get(
            own_area, {"shell", "messaging"} if own_area == "messaging" else {"shell"}
        ) | BORROWED.get(name, set())
        for result in key.findall(SOURCES[name]):
            checked += 1
            assert owner[result] in allowed, f"{name} shows `{result}.…`, which {own_area} does not load"
        if own_area in AREAS and any(folder(other) == "messaging" for other in GRAPH[name]):
            assert "messaging" in loaded_texts[own_area], name
        for other, files in BORROWED.items():
            assert other not in GRAPH[name] or files <= allowed | text_files(SOURCES[name]), name
    assert checked > 500
