"""The texts of mails about tickets, in each language. Each part is a template of `templates.sandbox`."""

from __future__ import annotations

from server.templates.mail_layout import MailText

# Templates of queued mails. A mail about one ticket has the text of its kind: `TICKET` with ".opened" or ".reopened".
TICKET, TICKETS, REMINDER = "alert.ticket", "alert.tickets", "alert.reminder"

# The channels as the mails name them, and a customer without a name.
CHANNELS: dict[str, dict[str, str]] = {
    "en": {"sms": "SMS", "webchat": "Web chat", "nobody": "Visitor"},
    "ko": {"sms": "문자", "webchat": "웹 채팅", "nobody": "방문자"},
    "pl": {"sms": "SMS", "webchat": "Czat na stronie", "nobody": "Osoba odwiedzająca"},
    "ru": {"sms": "SMS", "webchat": "Чат на сайте", "nobody": "Посетитель"},
}
_HINT = {
    "en": "If the button does not work, open this address:",
    "ko": "버튼이 작동하지 않으면 다음 주소를 여세요.",
    "pl": "Jeśli przycisk nie działa, otwórz ten adres:",
    "ru": "Если кнопка не работает, откройте этот адрес:",
}
_WHY = {
    "en": "You get this e-mail because you asked for it under My account → Notifications and were not online in the inbox.",
    "ko": "내 계정 → 알림에서 메일을 켜 두었고 문의함에 접속해 있지 않아 이 메일을 보냈습니다.",
    "pl": "Ten e-mail przychodzi, ponieważ masz go włączonego w Moje konto → Powiadomienia i nie było Cię wtedy w skrzynce.",
    "ru": "Вы получили это письмо, потому что включили его в «Мой аккаунт» → «Уведомления» и не были во входящих.",
}


def _text(language: str, subject: str, paragraphs: list[str], button: str) -> MailText:
    return MailText(subject, paragraphs, button, [_WHY[language]], link_hint=_HINT[language])


_PREVIEW = ["{{ channel }}: {{ preview }}"]
_OPEN_TICKET = {"en": "Open the ticket", "ko": "티켓 열기", "pl": "Otwórz zgłoszenie", "ru": "Открыть обращение"}
_OPEN_INBOX = {"en": "Open the inbox", "ko": "문의함 열기", "pl": "Otwórz skrzynkę", "ru": "Открыть входящие"}

_OPENED = {
    "en": "New ticket from {{ name }}",
    "ko": "{{ name }} 님의 새 티켓",
    "pl": "Nowe zgłoszenie: {{ name }}",
    "ru": "Новое обращение: {{ name }}",
}
_REOPENED = {
    "en": "{{ name }} wrote again: the ticket is open",
    "ko": "{{ name }} 님이 다시 문의하여 티켓이 열렸습니다",
    "pl": "{{ name }} pisze ponownie: zgłoszenie jest otwarte",
    "ru": "{{ name }} пишет снова: обращение открыто",
}
_MANY = {
    "en": (
        "New tickets: {{ count }}",
        "So many tickets opened at the same time that this one e-mail stands for all of them.",
    ),
    "ko": ("새 티켓: {{ count }}", "한꺼번에 많은 티켓이 열려 메일 한 통으로 알려 드립니다."),
    "pl": ("Nowe zgłoszenia: {{ count }}", "Naraz otwarto tyle zgłoszeń, że ten jeden e-mail dotyczy ich wszystkich."),
    "ru": ("Новые обращения: {{ count }}", "Одновременно открылось много обращений, поэтому это одно письмо обо всех."),
}
_UNREAD = {
    "en": ("Unread tickets: {{ count }}", "Customers are waiting, and nobody has read what they wrote."),
    "ko": ("읽지 않은 티켓: {{ count }}", "고객이 기다리고 있지만 아직 아무도 메시지를 읽지 않았습니다."),
    "pl": ("Nieprzeczytane zgłoszenia: {{ count }}", "Klienci czekają, a nikt nie przeczytał jeszcze ich wiadomości."),
    "ru": ("Непрочитанные обращения: {{ count }}", "Клиенты ждут, а их сообщения ещё никто не прочитал."),
}

TEXTS: dict[str, dict[str, MailText]] = {
    f"{TICKET}.opened": {
        language: _text(language, subject, _PREVIEW, _OPEN_TICKET[language]) for language, subject in _OPENED.items()
    },
    f"{TICKET}.reopened": {
        language: _text(language, subject, _PREVIEW, _OPEN_TICKET[language]) for language, subject in _REOPENED.items()
    },
    TICKETS: {
        language: _text(language, subject, [body], _OPEN_INBOX[language]) for language, (subject, body) in _MANY.items()
    },
    REMINDER: {
        language: _text(language, subject, [body], _OPEN_INBOX[language])
        for language, (subject, body) in _UNREAD.items()
    },
}
