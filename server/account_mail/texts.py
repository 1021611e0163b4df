"""The texts of mails to users, in each language. Each part is a template of `templates.sandbox`."""

from __future__ import annotations

from server.templates.mail_layout import MailText

# Templates of queued mails.
INVITATION, RESET, SIGN_IN = "account.invitation", "account.reset", "account.signin"

_HINT = {
    "en": "If the button does not work, open this address:",
    "ko": "버튼이 작동하지 않으면 다음 주소를 여세요.",
    "pl": "Jeśli przycisk nie działa, otwórz ten adres:",
    "ru": "Если кнопка не работает, откройте этот адрес:",
}

TEXTS: dict[str, dict[str, MailText]] = {
    INVITATION: {
        "en": MailText(
            "{{ inviter }} invited you to join {{ brand }}",
            [
                "{{ inviter }} invited you to the team inbox of {{ brand }}, where the team answers its customers.",
                "Choose a password to join.",
            ],
            "Join the team",
            [
                "The link works once and expires after 7 days.",
                "If you do not know {{ inviter }}, ignore this e-mail. Nothing happens then.",
            ],
            link_hint=_HINT["en"],
        ),
        "ko": MailText(
            "{{ inviter }} 님이 {{ brand }} 팀에 초대했습니다",
            [
                "{{ inviter }} 님이 고객 문의에 답하는 {{ brand }} 팀 문의함에 초대했습니다.",
                "비밀번호를 정하면 참여할 수 있습니다.",
            ],
            "팀에 참여하기",
            [
                "이 링크는 7일 동안 한 번만 사용할 수 있습니다.",
                "{{ inviter }} 님을 모르신다면 이 메일을 무시하세요. 아무 일도 일어나지 않습니다.",
            ],
            link_hint=_HINT["ko"],
        ),
        "pl": MailText(
            "{{ inviter }} zaprasza Cię do zespołu {{ brand }}",
            [
                "{{ inviter }} zaprasza Cię do wspólnej skrzynki, w której zespół {{ brand }} odpowiada klientom.",
                "Aby dołączyć, ustaw hasło.",
            ],
            "Dołącz do zespołu",
            [
                "Link działa jeden raz i wygasa po 7 dniach.",
                "Jeśli nie znasz osoby {{ inviter }}, zignoruj tę wiadomość. Nic się wtedy nie stanie.",
            ],
            link_hint=_HINT["pl"],
        ),
        "ru": MailText(
            "{{ inviter }} приглашает вас в команду {{ brand }}",
            [
                "{{ inviter }} приглашает вас в общий почтовый ящик, в котором команда {{ brand }} отвечает клиентам.",
                "Чтобы присоединиться, задайте пароль.",
            ],
            "Присоединиться",
            [
                "Ссылка работает один раз и действует 7 дней.",
                "Если имя «{{ inviter }}» вам незнакомо, не обращайте внимания на это письмо: ничего не произойдёт.",
            ],
            link_hint=_HINT["ru"],
        ),
    },
    RESET: {
        "en": MailText(
            "Choose a new password for {{ brand }}",
            ["Somebody asked for a new password for your account {{ email }}. You can choose one now."],
            "Choose a new password",
            [
                "The link works once, within one hour. You will then be signed out everywhere else.",
                "Requested from the address {{ address }}. If it was not you, ignore this e-mail: your password stays the same.",
            ],
            link_hint=_HINT["en"],
        ),
        "ko": MailText(
            "{{ brand }}: 새 비밀번호를 설정하세요",
            ["{{ email }} 계정의 비밀번호 재설정이 요청되었습니다. 지금 새 비밀번호를 설정할 수 있습니다."],
            "새 비밀번호 설정",
            [
                "이 링크는 1시간 안에 한 번만 사용할 수 있습니다. 비밀번호를 바꾸면 다른 모든 기기에서 로그아웃됩니다.",
                "요청한 주소: {{ address }}. 본인이 요청하지 않았다면 이 메일을 무시하세요. 비밀번호는 바뀌지 않습니다.",
            ],
            link_hint=_HINT["ko"],
        ),
        "pl": MailText(
            "{{ brand }}: ustaw nowe hasło",
            ["Otrzymaliśmy prośbę o nowe hasło do konta {{ email }}. Możesz je teraz ustawić."],
            "Ustaw nowe hasło",
            [
                "Link działa jeden raz, przez godzinę. Po zmianie hasła nastąpi wylogowanie na wszystkich innych urządzeniach.",
                "Prośbę wysłano z adresu {{ address }}. Jeśli to nie Ty, zignoruj tę wiadomość: hasło się nie zmieni.",
            ],
            link_hint=_HINT["pl"],
        ),
        "ru": MailText(
            "{{ brand }}: задайте новый пароль",
            ["Для вашей учётной записи {{ email }} запрошен новый пароль. Его можно задать сейчас."],
            "Задать новый пароль",
            [
                "Ссылка работает один раз, в течение часа. После смены пароля все остальные сеансы завершатся.",
                "Запрос отправлен с адреса {{ address }}. Если это были не вы, не обращайте внимания на это письмо: пароль не изменится.",
            ],
            link_hint=_HINT["ru"],
        ),
    },
    SIGN_IN: {
        "en": MailText(
            "Your sign-in link for {{ brand }}",
            ["With this link you sign in as {{ email }}, without a password."],
            "Sign in",
            [
                "The link works once, within one hour.",
                "Requested from the address {{ address }}. If it was not you, ignore this e-mail and do not pass it on.",
            ],
            link_hint=_HINT["en"],
        ),
        "ko": MailText(
            "{{ brand }} 로그인 링크",
            ["이 링크로 비밀번호 없이 {{ email }} 계정에 로그인할 수 있습니다."],
            "로그인",
            [
                "이 링크는 1시간 안에 한 번만 사용할 수 있습니다.",
                "요청한 주소: {{ address }}. 본인이 요청하지 않았다면 이 메일을 무시하고 다른 사람에게 전달하지 마세요.",
            ],
            link_hint=_HINT["ko"],
        ),
        "pl": MailText(
            "{{ brand }}: link do logowania",
            ["Ten link pozwala zalogować się jako {{ email }} bez hasła."],
            "Zaloguj się",
            [
                "Link działa jeden raz, przez godzinę.",
                "Prośbę wysłano z adresu {{ address }}. Jeśli to nie Ty, zignoruj tę wiadomość i nie przekazuj jej dalej.",
            ],
            link_hint=_HINT["pl"],
        ),
        "ru": MailText(
            "{{ brand }}: ссылка для входа",
            ["По этой ссылке можно войти как {{ email }} без пароля."],
            "Войти",
            [
                "Ссылка работает один раз, в течение часа.",
                "Запрос отправлен с адреса {{ address }}. Если это были не вы, не обращайте внимания на это письмо и никому его не пересылайте.",
            ],
            link_hint=_HINT["ru"],
        ),
    },
}
