"""Numbers in the console's texts equal those in the code."""

from __future__ import annotations

import json
from pathlib import Path

from server.consent import vocabulary

I18N = Path(__file__).parents[2] / "agents_ui/src/i18n"


def test_the_keyword_settings_name_as_many_languages_as_there_are_keywords_in() -> None:
    count = len({*vocabulary.STOP, *vocabulary.START, *vocabulary.HELP})
    texts = [json.loads(path.read_text())["settings"]["sms"]["keywordsText"] for path in I18N.glob("*/settings.json")]
    assert len(texts) == 4 and all(f"{count}" in text for text in texts), texts
