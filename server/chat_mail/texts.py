"""The texts of mails to visitors, in each language. Each part is a template of `templates.sandbox`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FollowUpTexts:
    subject: str
    lead: str
    file: str  # instead of a file
    button: str
    hint: str
    reply: str  # where an answer to the mail goes (AMB-12)
    link: str


FOLLOW_UP = {
    "en": FollowUpTexts(
        "{{ brand }} replied to you",
        "You left the chat before our reply. Here it is:",
        "[File: {{ file }}]",
        "Continue the chat",
        "If the button does not work, open this address:",
        "A reply to this e-mail goes to {{ reply_to }} and does not appear in the chat.",
        "The link opens this conversation and expires after 30 days. Do not pass it on.",
    ),
    "ko": FollowUpTexts(
        "{{ brand }}에서 답변을 보냈습니다",
        "답변을 드리기 전에 채팅을 나가셨습니다. 답변은 다음과 같습니다.",
        "[파일: {{ file }}]",
        "채팅 이어 가기",
        "버튼이 작동하지 않으면 다음 주소를 여세요.",
        "이 메일에 회신하면 {{ reply_to }}(으)로 전달되며 채팅에는 표시되지 않습니다.",
        "이 링크는 이 대화를 열며 30일 후에 만료됩니다. 다른 사람에게 전달하지 마세요.",
    ),
    "pl": FollowUpTexts(
        "{{ brand }}: mamy dla Ciebie odpowiedź",
        "Rozmowa na czacie skończyła się przed naszą odpowiedzią. Oto ona:",
        "[Plik: {{ file }}]",
        "Wróć do rozmowy",
        "Jeśli przycisk nie działa, otwórz ten adres:",
        "Odpowiedź na tę wiadomość trafi na adres {{ reply_to }} i nie pojawi się na czacie.",
        "Link otwiera tę rozmowę i wygasa po 30 dniach. Nie przekazuj go nikomu.",
    ),
    "ru": FollowUpTexts(
        "{{ brand }}: мы вам ответили",
        "Вы вышли из чата до нашего ответа. Вот он:",
        "[Файл: {{ file }}]",
        "Продолжить чат",
        "Если кнопка не работает, откройте этот адрес:",
        "Ответ на это письмо придёт на {{ reply_to }} и не появится в чате.",
        "Ссылка открывает этот разговор и действует 30 дней. Не передавайте её другим.",
    ),
}
