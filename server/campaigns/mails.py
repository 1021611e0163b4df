"""Mails about campaigns to the owner and to whoever approved the campaign: it was paused, or it is a draft again."""

from __future__ import annotations

from sqlalchemy import bindparam, or_, select

from server.account_mail.composing import brand_look
from server.accounts.rules import Role
from server.campaigns import queries
from server.campaigns.queries import Campaign
from server.campaigns.rules import State
from server.delivery.mail import Composed, Composer, Mailing, MailRow, Withdrawn, queue_mail
from server.delivery.mail_settings import MAIL
from server.errors import NotFound
from server.kernel.sql import Statement, Tx
from server.schema import users
from server.templates.mail_layout import MailText, write

PAUSED, REMINDER = "campaigns.paused", "campaigns.reminder"

_CONCERNED = Statement(
    select(users.c.id, users.c.email, users.c.language).where(
        users.c.disabled_at.is_(None),
        or_(users.c.role == Role.OWNER.value, users.c.id.in_(bindparam("people", expanding=True))),
    )
)

_REASONS = {
    "errors": {
        "en": "Too many of its messages failed. Look at the receipts before you resume it.",
        "ko": "실패한 메시지가 너무 많습니다. 다시 시작하기 전에 수신자별 결과를 확인하세요.",
        "pl": "Zbyt wiele jej wiadomości się nie powiodło. Sprawdź wyniki, zanim ją wznowisz.",
        "ru": "Слишком много сообщений не доставлено. Посмотрите результаты, прежде чем продолжить.",
    },
    "senders_stopped": {
        "en": "All sending numbers are stopped, because the carrier refused them or the account. See Settings → SMS.",
        "ko": "통신사가 계정이나 번호를 거부하여 모든 발신 번호가 중지되었습니다. 설정 → SMS를 확인하세요.",
        "pl": "Wszystkie numery są zatrzymane, bo operator odrzucił je albo konto. Zobacz Ustawienia → SMS.",
        "ru": "Все номера остановлены: оператор отклонил их или аккаунт. Смотрите «Настройки» → SMS.",
    },
    "sms_off": {
        "en": "SMS was turned off. Turn it on under Settings → SMS, then resume the campaign.",
        "ko": "SMS가 꺼졌습니다. 설정 → SMS에서 켠 다음 캠페인을 다시 시작하세요.",
        "pl": "SMS wyłączono. Włącz go w Ustawienia → SMS, a potem wznów kampanię.",
        "ru": "SMS выключены. Включите их в «Настройки» → SMS и продолжите кампанию.",
    },
}
_TEXTS = {
    PAUSED: {
        "en": MailText(
            "The campaign “{{ name }}” was paused", ["{{ why }}", "Nothing is sent until somebody resumes it."]
        ),
        "ko": MailText(
            "‘{{ name }}’ 캠페인이 일시 중지되었습니다", ["{{ why }}", "다시 시작할 때까지 아무것도 보내지 않습니다."]
        ),
        "pl": MailText(
            "Kampania „{{ name }}” została wstrzymana",
            ["{{ why }}", "Nic nie zostanie wysłane, dopóki ktoś jej nie wznowi."],
        ),
        "ru": MailText(
            "Кампания «{{ name }}» приостановлена", ["{{ why }}", "Пока её не продолжат, ничего не отправляется."]
        ),
    },
    REMINDER: {
        "en": MailText(
            "The campaign “{{ name }}” is a draft and will not be sent",
            ["It was scheduled for {{ at }} and then paused. Schedule it again if it should be sent."],
        ),
        "ko": MailText(
            "‘{{ name }}’ 캠페인은 초안이므로 발송되지 않습니다",
            ["{{ at }}에 예약되었다가 일시 중지되었습니다. 보내려면 다시 예약하세요."],
        ),
        "pl": MailText(
            "Kampania „{{ name }}” jest szkicem i nie zostanie wysłana",
            ["Była zaplanowana na {{ at }}, a potem wstrzymana. Zaplanuj ją ponownie, jeśli ma być wysłana."],
        ),
        "ru": MailText(
            "Кампания «{{ name }}» — черновик и не будет отправлена",
            [
                "Она была запланирована на {{ at }}, затем приостановлена. Запланируйте её снова, если её нужно отправить."
            ],
        ),
    },
}


def queue_paused(tx: Tx, campaign: Campaign) -> None:
    """Tells the owner and whoever approved the campaign, once for each pause, if mail is set up."""
    _queue(tx, campaign, PAUSED, f"{tx.now.timestamp():.0f}")


def queue_reminder(tx: Tx, campaign: Campaign) -> None:
    _queue(tx, campaign, REMINDER, f"{tx.now.timestamp():.0f}")


def _queue(tx: Tx, campaign: Campaign, template: str, key: str) -> None:
    if not MAIL.load(tx).usable:
        return
    people = [user for user in (campaign.approved_by, campaign.created_by) if user is not None]
    for user in tx.all(_CONCERNED, people=people):
        data = {"campaign": campaign.id, "language": user.language, "reason": campaign.reason}
        queue_mail(tx, Mailing(f"{template}:{campaign.id}:{user.id}:{key}", "alert", user.email, template, data))


def compose(tx: Tx, row: MailRow) -> Composed | Withdrawn:
    """Withdraws the mail if the campaign changed its state meanwhile."""
    try:
        campaign = queries.by_id(tx, row.data["campaign"])
    except NotFound:
        return Withdrawn("gone", "The campaign does not exist any more.")
    expected = State.PAUSED if row.template == PAUSED else State.DRAFT
    if campaign.state is not expected:
        return Withdrawn("changed", "The state of the campaign has changed since.")
    texts = _TEXTS[row.template]
    language = row.data["language"] if row.data["language"] in texts else "en"
    why = _REASONS.get(row.data["reason"], _REASONS["errors"])[language]
    at = f"{campaign.scheduled_at:%Y-%m-%d %H:%M} UTC" if campaign.scheduled_at else ""
    mail = write(texts[language], {"name": campaign.name, "why": why, "at": at}, brand_look(tx, language))
    return Composed(mail.subject, mail.text, mail.html)


COMPOSERS: dict[str, Composer] = dict.fromkeys((PAUSED, REMINDER), compose)
