"""The mail to whoever started an import, when it has ended (IMP-45)."""

from __future__ import annotations

from typing import Any

from server.accounts.queries import user
from server.delivery.mail import Composed, Composer, Mailing, MailRow, Withdrawn, queue_mail
from server.delivery.mail_settings import MAIL
from server.imports import queries
from server.imports.queries import Import
from server.kernel.sql import Tx
from server.templates.mail_layout import Look, MailText, write
from server.webchat.settings import WIDGET

ENDED = "import.ended"

_HINT = {
    "en": "If the button does not work, open this address:",
    "ko": "버튼이 작동하지 않으면 다음 주소를 여세요.",
    "pl": "Jeśli przycisk nie działa, otwórz ten adres:",
    "ru": "Если кнопка не работает, откройте этот адрес:",
}
_TEXTS = {
    "en": (
        "Import finished: {{ file }}",
        "New: {{ created }}. Updated: {{ updated }}. Not imported: {{ refused }}.",
        "See the result",
        "You get this e-mail because you started this import.",
    ),
    "ko": (
        "가져오기 완료: {{ file }}",
        "신규: {{ created }}. 수정: {{ updated }}. 제외: {{ refused }}.",
        "결과 보기",
        "이 가져오기를 시작하셔서 메일을 보냅니다.",
    ),
    "pl": (
        "Import zakończony: {{ file }}",
        "Nowe: {{ created }}. Zmienione: {{ updated }}. Niezaimportowane: {{ refused }}.",
        "Zobacz wynik",
        "Ten e-mail przychodzi, ponieważ uruchomiono ten import z Twojego konta.",
    ),
    "ru": (
        "Импорт завершён: {{ file }}",
        "Новых: {{ created }}. Изменено: {{ updated }}. Не импортировано: {{ refused }}.",
        "Открыть результат",
        "Вы получили это письмо, потому что запустили этот импорт.",
    ),
}
TEXTS = {
    language: MailText(subject, [body], button, [why], link_hint=_HINT[language])
    for language, (subject, body, button, why) in _TEXTS.items()
}


def queue_ended(tx: Tx, found: Import) -> None:
    """Queues the mail, if mail is set up and a user started the import. A repeated call queues nothing."""
    if found.by_user is None or not MAIL.load(tx).usable:
        return
    person = user(tx, found.by_user, tx.now)
    if person is not None:
        queue_mail(tx, Mailing(f"import:{found.id}", "account", person.email, ENDED, {"import": found.id}))


def compose(tx: Tx, row: MailRow) -> Composed | Withdrawn:
    found = queries.by_id(tx, row.data["import"])
    person = None if found.by_user is None else user(tx, found.by_user, tx.now)
    if person is None or person.email != row.recipient:
        return Withdrawn("account_disabled", "The account was disabled or has another address now.")
    counts = found.counts
    values: dict[str, Any] = {
        "file": found.file_name,
        "created": counts.get("new", 0),
        "updated": counts.get("updated", 0),
        "refused": sum(counts.get(verdict, 0) for verdict in ("refused", "skipped", "duplicate")),
    }
    language = person.language if person.language in TEXTS else "en"
    widget = WIDGET.load(tx)
    mail = write(
        TEXTS[language], values, Look(widget.brand, widget.color, language), f"{row.public_url}/contacts/imports/{found.id}"
    )  # fmt: skip
    return Composed(mail.subject, mail.text, mail.html)


COMPOSERS: dict[str, Composer] = {ENDED: compose}
