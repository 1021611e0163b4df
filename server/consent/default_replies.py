"""Default replies to keywords by language, and the languages of each country (KEY-7..9). Pure.

Each text names the brand, says what happened and how to undo it. `keywords` recognizes the keywords that these texts name,
in every language. The Polish texts have no diacritics, because these would halve the length of a segment. The Russian texts
fit one segment of 70 characters.
"""

from __future__ import annotations

from typing import Literal

ReplyKind = Literal["stop", "start", "help", "confirm_ask", "confirmed", "subscribed"]
REPLY_KINDS: tuple[ReplyKind, ...] = ("stop", "start", "help", "confirm_ask", "confirmed", "subscribed")

# Country of the sender → its languages, the default first (KEY-9).
COUNTRIES: dict[str, tuple[str, ...]] = {
    "US": ("en",),
    "CA": ("en", "fr"),
    "GB": ("en",),
    "IE": ("en",),
    "AU": ("en",),
    "NZ": ("en",),
    "BE": ("en", "fr", "nl"),
    "NL": ("nl", "en"),
    "DE": ("de", "en"),
    "AT": ("de", "en"),
    "CH": ("de", "en", "fr", "it"),
    "ES": ("es", "en"),
    "PT": ("pt", "en"),
    "IT": ("it", "en"),
    "SE": ("sv", "en"),
    "NO": ("no", "en"),
    "FI": ("fi", "en"),
    "DK": ("da", "en"),
    "HU": ("hu", "en"),
    "PL": ("pl", "en"),
}

TEXTS: dict[str, dict[ReplyKind, str]] = {
    "en": {
        "stop": "{brand}: You are unsubscribed and get no more texts from us. Text START to come back.",
        "start": "{brand}: You are subscribed again. Text HELP for help, STOP to opt out.",
        "help": "{brand}: {contact}Text STOP to opt out. Msg & data rates may apply.",
        "confirm_ask": "{brand}: Reply YES to get offers by text. Msg frequency varies, msg & data rates may apply. Text HELP for help, STOP to opt out.",
        "confirmed": "{brand}: Thank you, you are subscribed. Text HELP for help, STOP to opt out.",
        "subscribed": "{brand}: Thank you, you are subscribed to offers by text. Msg & data rates may apply. Text HELP for help, STOP to opt out.",
    },
    "fr": {
        "stop": "{brand} : vous êtes désinscrit et ne recevrez plus de SMS de notre part. Envoyez START pour revenir.",
        "start": "{brand} : vous êtes de nouveau inscrit. Envoyez AIDE pour de l'aide, STOP pour vous désinscrire.",
        "help": "{brand} : {contact}Envoyez STOP pour vous désinscrire.",
        "confirm_ask": "{brand} : répondez OUI pour recevoir nos offres par SMS. Envoyez AIDE pour de l'aide, STOP pour vous désinscrire.",
        "confirmed": "{brand} : merci, vous êtes inscrit. Envoyez AIDE pour de l'aide, STOP pour vous désinscrire.",
        "subscribed": "{brand} : merci, vous recevrez nos offres par SMS. Envoyez AIDE pour de l'aide, STOP pour vous désinscrire.",
    },
    "nl": {
        "stop": "{brand}: je bent afgemeld en krijgt geen sms meer van ons. Stuur START om terug te komen.",
        "start": "{brand}: je bent weer aangemeld. Stuur HELP voor hulp, STOP om je af te melden.",
        "help": "{brand}: {contact}Stuur STOP om je af te melden.",
        "confirm_ask": "{brand}: antwoord JA om onze aanbiedingen per sms te krijgen. Stuur HELP voor hulp, STOP om je af te melden.",
        "confirmed": "{brand}: bedankt, je bent aangemeld. Stuur HELP voor hulp, STOP om je af te melden.",
        "subscribed": "{brand}: bedankt, je krijgt onze aanbiedingen per sms. Stuur HELP voor hulp, STOP om je af te melden.",
    },
    "de": {
        "stop": "{brand}: Sie sind abgemeldet und erhalten keine SMS mehr von uns. Mit START kommen Sie zurück.",
        "start": "{brand}: Sie sind wieder angemeldet. HILFE für Hilfe, STOP zum Abmelden.",
        "help": "{brand}: {contact}Mit STOP melden Sie sich ab.",
        "confirm_ask": "{brand}: Antworten Sie JA, um unsere Angebote per SMS zu erhalten. HILFE für Hilfe, STOP zum Abmelden.",
        "confirmed": "{brand}: Danke, Sie sind angemeldet. HILFE für Hilfe, STOP zum Abmelden.",
        "subscribed": "{brand}: Danke, Sie erhalten unsere Angebote per SMS. HILFE für Hilfe, STOP zum Abmelden.",
    },
    "it": {
        "stop": "{brand}: la tua iscrizione è annullata e non riceverai più SMS da noi. Invia START per tornare.",
        "start": "{brand}: sei di nuovo iscritto. Invia AIUTO per assistenza, STOP per annullare.",
        "help": "{brand}: {contact}Invia STOP per annullare l'iscrizione.",
        "confirm_ask": "{brand}: rispondi SI per ricevere le nostre offerte via SMS. Invia AIUTO per assistenza, STOP per annullare.",
        "confirmed": "{brand}: grazie, sei iscritto. Invia AIUTO per assistenza, STOP per annullare.",
        "subscribed": "{brand}: grazie, riceverai le nostre offerte via SMS. Invia AIUTO per assistenza, STOP per annullare.",
    },
    "es": {
        "stop": "{brand}: te has dado de baja y no recibirás más SMS nuestros. Envía START para volver.",
        "start": "{brand}: vuelves a estar suscrito. Envía AYUDA para recibir ayuda, STOP para darte de baja.",
        "help": "{brand}: {contact}Envía STOP para darte de baja.",
        "confirm_ask": "{brand}: responde SI para recibir nuestras ofertas por SMS. Envía AYUDA para recibir ayuda, STOP para darte de baja.",
        "confirmed": "{brand}: gracias, ya estás suscrito. Envía AYUDA para recibir ayuda, STOP para darte de baja.",
        "subscribed": "{brand}: gracias, recibirás nuestras ofertas por SMS. Envía AYUDA para recibir ayuda, STOP para darte de baja.",
    },
    "pt": {
        "stop": "{brand}: a sua subscrição foi cancelada e não receberá mais SMS nossas. Envie START para voltar.",
        "start": "{brand}: a sua subscrição está de novo ativa. Envie AJUDA para obter ajuda, STOP para cancelar.",
        "help": "{brand}: {contact}Envie STOP para cancelar.",
        "confirm_ask": "{brand}: responda SIM para receber as nossas ofertas por SMS. Envie AJUDA para obter ajuda, STOP para cancelar.",
        "confirmed": "{brand}: obrigado, a sua subscrição está ativa. Envie AJUDA para obter ajuda, STOP para cancelar.",
        "subscribed": "{brand}: obrigado, vai receber as nossas ofertas por SMS. Envie AJUDA para obter ajuda, STOP para cancelar.",
    },
    "sv": {
        "stop": "{brand}: du är avregistrerad och får inga fler sms från oss. Skicka START för att komma tillbaka.",
        "start": "{brand}: du är registrerad igen. Skicka HELP för hjälp, STOP för att avsluta.",
        "help": "{brand}: {contact}Skicka STOP för att avsluta.",
        "confirm_ask": "{brand}: svara JA för att få våra erbjudanden via sms. Skicka HELP för hjälp, STOP för att avsluta.",
        "confirmed": "{brand}: tack, du är registrerad. Skicka HELP för hjälp, STOP för att avsluta.",
        "subscribed": "{brand}: tack, du får våra erbjudanden via sms. Skicka HELP för hjälp, STOP för att avsluta.",
    },
    "no": {
        "stop": "{brand}: du er avmeldt og får ingen flere SMS fra oss. Send START for å komme tilbake.",
        "start": "{brand}: du er påmeldt igjen. Send HELP for hjelp, STOP for å melde deg av.",
        "help": "{brand}: {contact}Send STOP for å melde deg av.",
        "confirm_ask": "{brand}: svar JA for å få tilbudene våre på SMS. Send HELP for hjelp, STOP for å melde deg av.",
        "confirmed": "{brand}: takk, du er påmeldt. Send HELP for hjelp, STOP for å melde deg av.",
        "subscribed": "{brand}: takk, du får tilbudene våre på SMS. Send HELP for hjelp, STOP for å melde deg av.",
    },
    "fi": {
        "stop": "{brand}: tilauksesi on peruttu, etkä saa meiltä enää tekstiviestejä. Palaa lähettämällä START.",
        "start": "{brand}: tilauksesi on taas voimassa. Apua saat viestillä HELP, tilauksen perut viestillä STOP.",
        "help": "{brand}: {contact}Peru tilaus lähettämällä STOP.",
        "confirm_ask": "{brand}: vastaa KYLLÄ, niin saat tarjouksemme tekstiviestillä. Apua saat viestillä HELP, tilauksen perut viestillä STOP.",
        "confirmed": "{brand}: kiitos, tilauksesi on voimassa. Apua saat viestillä HELP, tilauksen perut viestillä STOP.",
        "subscribed": "{brand}: kiitos, saat tarjouksemme tekstiviestillä. Apua saat viestillä HELP, tilauksen perut viestillä STOP.",
    },
    "da": {
        "stop": "{brand}: du er afmeldt og får ikke flere sms'er fra os. Send START for at komme tilbage.",
        "start": "{brand}: du er tilmeldt igen. Send HELP for hjælp, STOP for at afmelde dig.",
        "help": "{brand}: {contact}Send STOP for at afmelde dig.",
        "confirm_ask": "{brand}: svar JA for at få vores tilbud på sms. Send HELP for hjælp, STOP for at afmelde dig.",
        "confirmed": "{brand}: tak, du er tilmeldt. Send HELP for hjælp, STOP for at afmelde dig.",
        "subscribed": "{brand}: tak, du får vores tilbud på sms. Send HELP for hjælp, STOP for at afmelde dig.",
    },
    "hu": {
        "stop": "{brand}: leiratkozott, több SMS-t nem kap tőlünk. Ha visszatérne, küldje: START.",
        "start": "{brand}: újra feliratkozott. Segítség: HELP, leiratkozás: STOP.",
        "help": "{brand}: {contact}Leiratkozás: STOP.",
        "confirm_ask": "{brand}: válaszoljon IGEN szóval, ha SMS-ben szeretné kapni ajánlatainkat. Segítség: HELP, leiratkozás: STOP.",
        "confirmed": "{brand}: köszönjük, feliratkozott. Segítség: HELP, leiratkozás: STOP.",
        "subscribed": "{brand}: köszönjük, ajánlatainkat SMS-ben küldjük. Segítség: HELP, leiratkozás: STOP.",
    },
    "pl": {
        "stop": "{brand}: rezygnacja zapisana, nie otrzymasz od nas kolejnych SMS. Ponowny zapis: START.",
        "start": "{brand}: ponownie otrzymujesz nasze SMS-y. Pomoc: POMOC, rezygnacja: STOP.",
        "help": "{brand}: {contact}Rezygnacja: STOP.",
        "confirm_ask": "{brand}: odpowiedz TAK, a otrzymasz nasze oferty SMS-em. Pomoc: POMOC, rezygnacja: STOP.",
        "confirmed": "{brand}: zapis potwierdzony. Pomoc: POMOC, rezygnacja: STOP.",
        "subscribed": "{brand}: zapisano, nasze oferty otrzymasz SMS-em. Pomoc: POMOC, rezygnacja: STOP.",
    },
    "ru": {
        "stop": "{brand}: вы отписаны, SMS больше не будет. Вернуться: СТАРТ",
        "start": "{brand}: вы снова подписаны. Справка: ПОМОЩЬ, отказ: СТОП",
        "help": "{brand}: {contact}Отписаться: СТОП",
        "confirm_ask": "{brand}: акции по SMS? Ответьте ДА. Справка: ПОМОЩЬ, отказ: СТОП",
        "confirmed": "{brand}: спасибо, вы подписаны. Справка: ПОМОЩЬ, отказ: СТОП",
        "subscribed": "{brand}: вы подписаны на акции. Справка: ПОМОЩЬ, отказ: СТОП",
    },
    "ko": {
        "stop": "{brand}: 수신거부 처리되었으며 더 이상 문자를 보내지 않습니다. 다시 받으시려면 '수신동의'라고 보내 주세요.",
        "start": "{brand}: 문자를 다시 보내 드립니다. 도움이 필요하시면 '도움말', 그만 받으시려면 '수신거부'라고 보내 주세요.",
        "help": "{brand}: {contact}그만 받으시려면 '수신거부'라고 보내 주세요.",
        "confirm_ask": "{brand}: 광고 문자 수신에 동의하시면 '네'라고 답장해 주세요. 도움이 필요하시면 '도움말', 그만 받으시려면 '수신거부'라고 보내 주세요.",
        "confirmed": "{brand}: 감사합니다. 문자 수신 동의가 완료되었습니다. 도움이 필요하시면 '도움말', 그만 받으시려면 '수신거부'라고 보내 주세요.",
        "subscribed": "{brand}: 감사합니다. 광고 문자 수신에 동의하셨습니다. 도움이 필요하시면 '도움말', 그만 받으시려면 '수신거부'라고 보내 주세요.",
    },
}

# The label before `help_contact`. Without that setting the reply promises no help: an agent may not answer people who
# have not consented (INB-8).
HELP_LABELS = {
    "en": "Help",
    "fr": "Aide ",
    "nl": "Hulp",
    "de": "Hilfe",
    "it": "Assistenza",
    "es": "Ayuda",
    "pt": "Ajuda",
    "sv": "Hjälp",
    "no": "Hjelp",
    "fi": "Apua",
    "da": "Hjælp",
    "hu": "Segítség",
    "pl": "Pomoc",
    "ru": "Помощь",
    "ko": "도움말",
}


def language_for(country: str, language: str) -> str:
    """The keyword's language if the country lists it, else the country's default (KEY-8).

    For a country that is not in `COUNTRIES`: the keyword's language if we have texts in it, else English.
    """
    spoken = COUNTRIES.get(country)
    if spoken is None:
        return language if language in TEXTS else "en"
    return language if language in spoken else spoken[0]


def editable(kind: str, country: str) -> bool:
    """Whether the owner may change this reply. The reply to STOP is fixed in the US and Canada, the one to START
    everywhere (KEY-7)."""
    return kind != "start" and not (kind == "stop" and country in ("US", "CA"))


def default_text(kind: ReplyKind, language: str, brand: str, contact: str) -> str:
    """The default reply. `contact`: where to ask for help; may be empty."""
    # No str.format: a brand may contain braces.
    text = TEXTS[language][kind].replace("{contact}", f"{HELP_LABELS[language]}: {contact}. " if contact else "")
    return text.replace("{brand}", brand)
