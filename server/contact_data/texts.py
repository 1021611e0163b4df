"""The texts of the confirmation mail and of the page that its link opens, in each language."""

from __future__ import annotations

from dataclasses import dataclass

from server.templates.mail_layout import MailText

CONFIRMATION = {
    "en": MailText(
        "Please confirm your subscription",
        [
            "You, or somebody who entered your address, asked for e-mails from {{ brand }}. If you want them, press the button."
        ],
        "Confirm",
        ["If you did not ask for this, do nothing: you will get no e-mails. The link expires after 7 days."],
        link_hint="If the button does not work, open this address:",
    ),
    "ko": MailText(
        "구독을 확인해 주세요",
        [
            "고객님 또는 고객님의 주소를 입력한 다른 사람이 {{ brand }}의 이메일을 신청했습니다. 수신을 원하시면 버튼을 누르세요."
        ],
        "확인",
        ["신청하지 않으셨다면 아무것도 하지 않으셔도 됩니다. 이메일을 보내지 않습니다. 링크는 7일 후에 만료됩니다."],
        link_hint="버튼이 작동하지 않으면 다음 주소를 여세요.",
    ),
    "pl": MailText(
        "Potwierdź subskrypcję",
        [
            "Ktoś podał ten adres, prosząc o wiadomości e-mail od {{ brand }}. Jeśli chcesz je otrzymywać, naciśnij przycisk."
        ],
        "Potwierdzam",
        ["Jeśli to nie Twoja prośba, nic nie rób: nie wyślemy żadnych wiadomości. Link wygasa po 7 dniach."],
        link_hint="Jeśli przycisk nie działa, otwórz ten adres:",
    ),
    "ru": MailText(
        "Подтвердите подписку",
        [
            "Вы или кто-то, указавший ваш адрес, запросили письма от {{ brand }}. Если хотите их получать, нажмите кнопку."
        ],
        "Подтвердить",
        ["Если вы этого не запрашивали, ничего не делайте: писем не будет. Ссылка действует 7 дней."],
        link_hint="Если кнопка не работает, откройте этот адрес:",
    ),
}


@dataclass(frozen=True, slots=True)
class PageTexts:
    title: str
    question: str
    button: str
    done: str
    expired: str
    failed: str


PAGE = {
    "en": PageTexts(
        "Confirm your subscription",
        "Do you want to get e-mails from {brand}?",
        "Yes, subscribe me",
        "Thank you. You are subscribed.",
        "This link was used already or has expired. If you confirmed before, you need do nothing more.",
        "This did not work. Try again in a moment.",
    ),
    "ko": PageTexts(
        "구독 확인",
        "{brand}의 이메일을 받으시겠습니까?",
        "네, 구독합니다",
        "감사합니다. 구독되었습니다.",
        "이미 사용했거나 만료된 링크입니다. 전에 확인하셨다면 더 하실 일이 없습니다.",
        "처리하지 못했습니다. 잠시 후 다시 시도하세요.",
    ),
    "pl": PageTexts(
        "Potwierdź subskrypcję",
        "Czy chcesz otrzymywać e-maile od {brand}?",
        "Tak, zapisz mnie",
        "Dziękujemy. Subskrypcja jest potwierdzona.",
        "Ten link został już użyty albo wygasł. Jeśli subskrypcja była już potwierdzona, nic więcej nie trzeba robić.",
        "Nie udało się. Spróbuj ponownie za chwilę.",
    ),
    "ru": PageTexts(
        "Подтвердите подписку",
        "Хотите получать письма от {brand}?",
        "Да, подписаться",
        "Спасибо. Вы подписаны.",
        "Ссылка уже использована или устарела. Если вы уже подтвердили подписку, больше ничего делать не нужно.",
        "Не получилось. Попробуйте ещё раз чуть позже.",
    ),
}
