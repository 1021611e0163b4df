"""The keywords of each language, and those that mean something else in other countries. Data for `keywords` (KEY-1..4).

English and French follow the rules and the carrier; the others are common usage. Case and accents do not matter. A test
compares these languages with the README.
"""

from __future__ import annotations

Table = dict[str, str]  # language → words separated by |

STOP: Table = {
    "en": "stop|stopall|stop all|unsubscribe|unsub|cancel|end|quit|revoke|optout|opt-out|opt out|remove",
    "fr": "arrêt|désabonner|annuler|fin|désinscrire",
    "de": "stopp|abmelden|abbestellen",
    "es": "alto|parar|baja|cancelar|detener",
    "pt": "sair",
    "it": "annulla|cancella",
    "nl": "afmelden|stoppen",
    "sv": "avsluta|avregistrera",
    "no": "avslutt|avmeld",
    "da": "afmeld",
    "fi": "lopeta",
    "hu": "leiratkozás|leiratkozom",
    "pl": "rezygnuję|wypisz",
    "ru": "стоп|отписаться|отписка",
    "uk": "відписатися|відписатись|відписка",
    "tr": "iptal|dur|durdur|ret",
    "ko": "수신거부|거부|중지",
    "ja": "停止|配信停止|ストップ",
    "zh": "退订|退訂|td",
}
# Also in mode `contains`, these stop only as the whole text: people remove things from their orders.
ONLY_ALONE = frozenset(("remove",))
START: Table = {
    "en": "start|unstop",
    "fr": "nonarret",
    "ru": "старт",
    "ko": "수신동의",
}
HELP: Table = {
    "en": "help|info",
    "fr": "aide",
    "de": "hilfe",
    "es": "ayuda",
    "pt": "ajuda",
    "it": "aiuto",
    "nl": "hulp",
    "sv": "hjälp",
    "no": "hjelp",
    "da": "hjælp",
    "fi": "apua",
    "hu": "segítség",
    "pl": "pomoc",
    "ru": "помощь",
    "uk": "допомога",
    "tr": "yardım",
    "ko": "도움말",
    "ja": "ヘルプ",
    "zh": "帮助|幫助",
}
YES: Table = {
    "en": "yes|y",
    "fr": "oui|o",
    "de": "ja",
    "es": "sí",
    "pt": "sim",
    "it": "sì",
    "nl": "ja",
    "sv": "ja",
    "no": "ja",
    "da": "ja",
    "fi": "kyllä|joo",
    "hu": "igen",
    "pl": "tak",
    "ru": "да",
    "uk": "так",
    "tr": "evet",
    "ko": "네|예|동의",
    "ja": "はい",
    "zh": "是|同意",
}
# Words for yes that mean something else in these countries, where they are no consent: "tak" is thanks in Danish, "igen"
# is again, "так" is so in Russian.
NOT_YES_IN_COUNTRIES: dict[str, frozenset[str]] = {
    "tak": frozenset(("DK", "NO", "SE", "IS", "FO", "GL")),
    "igen": frozenset(("DK", "NO", "SE", "FI")),
    "так": frozenset(("RU", "BY", "KZ", "KG")),
}
