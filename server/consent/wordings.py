"""Our own words for what keywords are answered with, by language, and which country speaks which (KEY-7..9). Pure.

Whatever stands here is sent to people who never chose a language in any settings, so each text names the brand, says
what happened and how to go back. The keywords in it are those that `keywords` reads in every language.
"""

from __future__ import annotations

from typing import Literal

Kind = Literal["stop", "start", "help", "confirm_ask", "confirmed", "subscribed"]
KINDS: tuple[Kind, ...] = ("stop", "start", "help", "confirm_ask", "confirmed", "subscribed")

# Where people text from → their languages, the default first (KEY-9).
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

TEXTS: dict[str, dict[Kind, str]] = {
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
        "confirm_ask": "{brand}: antwoord YES om onze aanbiedingen per sms te krijgen. Stuur HELP voor hulp, STOP om je af te melden.",
        "confirmed": "{brand}: bedankt, je bent aangemeld. Stuur HELP voor hulp, STOP om je af te melden.",
        "subscribed": "{brand}: bedankt, je krijgt onze aanbiedingen per sms. Stuur HELP voor hulp, STOP om je af te melden.",
    },
    "de": {
        "stop": "{brand}: Sie sind abgemeldet und erhalten keine SMS mehr von uns. Mit START kommen Sie zurück.",
        "start": "{brand}: Sie sind wieder angemeldet. HILFE für Hilfe, STOP zum Abmelden.",
        "help": "{brand}: {contact}Mit STOP melden Sie sich ab.",
        "confirm_ask": "{brand}: Antworten Sie YES, um unsere Angebote per SMS zu erhalten. HILFE für Hilfe, STOP zum Abmelden.",
        "confirmed": "{brand}: Danke, Sie sind angemeldet. HILFE für Hilfe, STOP zum Abmelden.",
        "subscribed": "{brand}: Danke, Sie erhalten unsere Angebote per SMS. HILFE für Hilfe, STOP zum Abmelden.",
    },
    "it": {
        "stop": "{brand}: la tua iscrizione è annullata e non riceverai più SMS da noi. Invia START per tornare.",
        "start": "{brand}: sei di nuovo iscritto. Invia AIUTO per assistenza, STOP per annullare.",
        "help": "{brand}: {contact}Invia STOP per annullare l'iscrizione.",
        "confirm_ask": "{brand}: rispondi YES per ricevere le nostre offerte via SMS. Invia AIUTO per assistenza, STOP per annullare.",
        "confirmed": "{brand}: grazie, sei iscritto. Invia AIUTO per assistenza, STOP per annullare.",
        "subscribed": "{brand}: grazie, riceverai le nostre offerte via SMS. Invia AIUTO per assistenza, STOP per annullare.",
    },
    "es": {
        "stop": "{brand}: te has dado de baja y no recibirás más SMS nuestros. Envía START para volver.",
        "start": "{brand}: vuelves a estar suscrito. Envía AYUDA para recibir ayuda, STOP para darte de baja.",
        "help": "{brand}: {contact}Envía STOP para darte de baja.",
        "confirm_ask": "{brand}: responde YES para recibir nuestras ofertas por SMS. Envía AYUDA para recibir ayuda, STOP para darte de baja.",
        "confirmed": "{brand}: gracias, ya estás suscrito. Envía AYUDA para recibir ayuda, STOP para darte de baja.",
        "subscribed": "{brand}: gracias, recibirás nuestras ofertas por SMS. Envía AYUDA para recibir ayuda, STOP para darte de baja.",
    },
    "pt": {
        "stop": "{brand}: a sua subscrição foi cancelada e não receberá mais SMS nossas. Envie START para voltar.",
        "start": "{brand}: a sua subscrição está de novo ativa. Envie AJUDA para obter ajuda, STOP para cancelar.",
        "help": "{brand}: {contact}Envie STOP para cancelar.",
        "confirm_ask": "{brand}: responda YES para receber as nossas ofertas por SMS. Envie AJUDA para obter ajuda, STOP para cancelar.",
        "confirmed": "{brand}: obrigado, a sua subscrição está ativa. Envie AJUDA para obter ajuda, STOP para cancelar.",
        "subscribed": "{brand}: obrigado, vai receber as nossas ofertas por SMS. Envie AJUDA para obter ajuda, STOP para cancelar.",
    },
    "sv": {
        "stop": "{brand}: du är avregistrerad och får inga fler sms från oss. Skicka START för att komma tillbaka.",
        "start": "{brand}: du är registrerad igen. Skicka HELP för hjälp, STOP för att avsluta.",
        "help": "{brand}: {contact}Skicka STOP för att avsluta.",
        "confirm_ask": "{brand}: svara YES för att få våra erbjudanden via sms. Skicka HELP för hjälp, STOP för att avsluta.",
        "confirmed": "{brand}: tack, du är registrerad. Skicka HELP för hjälp, STOP för att avsluta.",
        "subscribed": "{brand}: tack, du får våra erbjudanden via sms. Skicka HELP för hjälp, STOP för att avsluta.",
    },
    "no": {
        "stop": "{brand}: du er avmeldt og får ingen flere SMS fra oss. Send START for å komme tilbake.",
        "start": "{brand}: du er påmeldt igjen. Send HELP for hjelp, STOP for å melde deg av.",
        "help": "{brand}: {contact}Send STOP for å melde deg av.",
        "confirm_ask": "{brand}: svar YES for å få tilbudene våre på SMS. Send HELP for hjelp, STOP for å melde deg av.",
        "confirmed": "{brand}: takk, du er påmeldt. Send HELP for hjelp, STOP for å melde deg av.",
        "subscribed": "{brand}: takk, du får tilbudene våre på SMS. Send HELP for hjelp, STOP for å melde deg av.",
    },
    "fi": {
        "stop": "{brand}: tilauksesi on peruttu, etkä saa meiltä enää tekstiviestejä. Palaa lähettämällä START.",
        "start": "{brand}: tilauksesi on taas voimassa. Apua saat viestillä HELP, tilauksen perut viestillä STOP.",
        "help": "{brand}: {contact}Peru tilaus lähettämällä STOP.",
        "confirm_ask": "{brand}: vastaa YES, niin saat tarjouksemme tekstiviestillä. Apua saat viestillä HELP, tilauksen perut viestillä STOP.",
        "confirmed": "{brand}: kiitos, tilauksesi on voimassa. Apua saat viestillä HELP, tilauksen perut viestillä STOP.",
        "subscribed": "{brand}: kiitos, saat tarjouksemme tekstiviestillä. Apua saat viestillä HELP, tilauksen perut viestillä STOP.",
    },
    "da": {
        "stop": "{brand}: du er afmeldt og får ikke flere sms'er fra os. Send START for at komme tilbage.",
        "start": "{brand}: du er tilmeldt igen. Send HELP for hjælp, STOP for at afmelde dig.",
        "help": "{brand}: {contact}Send STOP for at afmelde dig.",
        "confirm_ask": "{brand}: svar YES for at få vores tilbud på sms. Send HELP for hjælp, STOP for at afmelde dig.",
        "confirmed": "{brand}: tak, du er tilmeldt. Send HELP for hjælp, STOP for at afmelde dig.",
        "subscribed": "{brand}: tak, du får vores tilbud på sms. Send HELP for hjælp, STOP for at afmelde dig.",
    },
    "hu": {
        "stop": "{brand}: leiratkozott, több SMS-t nem kap tőlünk. Ha visszatérne, küldje: START.",
        "start": "{brand}: újra feliratkozott. Segítség: HELP, leiratkozás: STOP.",
        "help": "{brand}: {contact}Leiratkozás: STOP.",
        "confirm_ask": "{brand}: válaszoljon YES szóval, ha SMS-ben szeretné kapni ajánlatainkat. Segítség: HELP, leiratkozás: STOP.",
        "confirmed": "{brand}: köszönjük, feliratkozott. Segítség: HELP, leiratkozás: STOP.",
        "subscribed": "{brand}: köszönjük, ajánlatainkat SMS-ben küldjük. Segítség: HELP, leiratkozás: STOP.",
    },
    "pl": {
        "stop": "{brand}: wypisano Cię i nie dostaniesz od nas więcej SMS-ów. Aby wrócić, wyślij START.",
        "start": "{brand}: znowu jesteś na liście. Wyślij POMOC po pomoc, STOP, aby się wypisać.",
        "help": "{brand}: {contact}Wyślij STOP, aby się wypisać.",
        "confirm_ask": "{brand}: odpowiedz YES, aby dostawać nasze oferty SMS-em. Wyślij POMOC po pomoc, STOP, aby się wypisać.",
        "confirmed": "{brand}: dziękujemy, jesteś na liście. Wyślij POMOC po pomoc, STOP, aby się wypisać.",
        "subscribed": "{brand}: dziękujemy, będziemy przysyłać nasze oferty SMS-em. Wyślij POMOC po pomoc, STOP, aby się wypisać.",
    },
    "ru": {
        "stop": "{brand}: вы отписаны и больше не получите от нас СМС. Чтобы вернуться, отправьте СТАРТ.",
        "start": "{brand}: вы снова подписаны. Отправьте ПОМОЩЬ для справки, СТОП для отписки.",
        "help": "{brand}: {contact}Отправьте СТОП для отписки.",
        "confirm_ask": "{brand}: ответьте YES, чтобы получать наши предложения по СМС. ПОМОЩЬ для справки, СТОП для отписки.",
        "confirmed": "{brand}: спасибо, вы подписаны. Отправьте ПОМОЩЬ для справки, СТОП для отписки.",
        "subscribed": "{brand}: спасибо, вы будете получать наши предложения по СМС. ПОМОЩЬ для справки, СТОП для отписки.",
    },
    "ko": {
        "stop": "{brand}: 수신거부되었으며 더 이상 문자를 보내지 않습니다. 다시 받으려면 START를 보내주세요.",
        "start": "{brand}: 다시 수신하도록 설정되었습니다. 도움말은 HELP, 수신거부는 STOP을 보내주세요.",
        "help": "{brand}: {contact}수신거부는 STOP을 보내주세요.",
        "confirm_ask": "{brand}: 혜택 문자를 받으려면 YES로 답장해 주세요. 도움말은 HELP, 수신거부는 STOP을 보내주세요.",
        "confirmed": "{brand}: 감사합니다. 수신 신청이 완료되었습니다. 도움말은 HELP, 수신거부는 STOP을 보내주세요.",
        "subscribed": "{brand}: 감사합니다. 혜택을 문자로 보내드립니다. 도움말은 HELP, 수신거부는 STOP을 보내주세요.",
    },
}

# Where to ask for help, before the contact of the settings. Without one nothing is promised: an answer here may be
# barred for whoever agreed to nothing (INB-8).
HELP_AT = {
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
    """The language of the keyword where the country knows it, else the country's first (KEY-8).

    Of a country that is not listed, we answer in the keyword's language where we have words for it, else in English.
    """
    spoken = COUNTRIES.get(country)
    if spoken is None:
        return language if language in TEXTS else "en"
    return language if language in spoken else spoken[0]


def editable(kind: str, country: str) -> bool:
    """The answer to STOP is the carrier's in the US and Canada, that to START everywhere (KEY-7)."""
    return kind != "start" and not (kind == "stop" and country in ("US", "CA"))


def worded(kind: Kind, language: str, brand: str, contact: str) -> str:
    """Our own text. `contact`: where to ask for help; may be empty."""
    # No str.format: a brand may hold braces.
    text = TEXTS[language][kind].replace("{contact}", f"{HELP_AT[language]}: {contact}. " if contact else "")
    return text.replace("{brand}", brand)
