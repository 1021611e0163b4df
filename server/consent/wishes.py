"""Does a text ask for no more texts, in whatever words? Pure (AMB-1; "any reasonable wording", 47 CFR 64.1200(a)(10)).

Three ways: a clear word ("stop") as a sentence of its own or at an end of the text; an unclear one ("cancel") alone
with manners; a sentence that names the texts, the sender or the list. Everything is compared sentence by sentence,
without punctuation and apostrophes, so that `^` and `$` are the ends of a sentence.
"""

from __future__ import annotations

import re

_APOSTROPHE = re.compile(r"(?<=\w)['’‘`´](?=\w)")
_BREAK = re.compile(r"[.!?,;:()\[\]\"“”„«»。、¡¿/|]+|\s[-–—]+\s|—")
_WORDS = re.compile(r"[^\W_]+")
_APART = {code: " " for code in range(128) if not chr(code).isalnum()}  # what stands between words, in ASCII
_OPT_OUT = re.compile(r"\bopt out\b")

# Words that mean an opt-out wherever they stand alone.
_CLEAR = frozenset(
    "stop stopp stopall unsubscribe unsub optout revoke desabonner désabonner desinscrire désinscrire abmelden abbestellen afmelden "
    "стоп отписаться отписка отпишите".split()
)
# Words that may as well be about an order, a job or the sale: only with manners around them, and nothing else.
_UNCLEAR = frozenset(
    "cancel end quit remove arret arrêt annuler fin alto parar baja cancelar detener sair annulla cancella stoppen rezygnuje rezygnuję "
    "wypisz 거부 중지 停止".split()
)
_POLITE = frozenset(
    "please pls plz kindly thanks thank thx ty you hi hello hey dear sir madam now immediately asap bitte danke sofort jetzt svp merci sil "
    "vous te plait plaît maintenant por favor gracias ya ahora obrigado obrigada agora per favore grazie subito alstublieft aub graag "
    "dank prosze proszę dzieki dzięki dziekuje dziękuję natychmiast teraz пожалуйста спасибо сейчас немедленно 제발 부탁드립니다 부탁해요 "
    "감사합니다 해주세요 해 주세요 tack tak takk kiitos kerem kérem köszönöm".split()
)
_MANNERS = _POLITE | frozenset(
    "just already again ok okay yes yeah no nope bye u can could would will it this that all i said at once enough and right away oui "
    "ja nein nee sí si não nao tak nie да нет хватит 네 아니요 이제 그만".split()
)
# Around "stop" these make it another thing: a bus stop, a visit, an order that is to be halted.
_STOP = frozenset(("stop", "stopp", "стоп"))
_STOP_BEFORE = frozenset(
    "bus tram train truck pit rest full non one last next first second final the a an my your his her our their each every this which "
    "what wont cant cannot couldnt wouldnt dont doesnt didnt never not it i we he she they hit press pressed push".split()
)
_STOP_AFTER = frozenset(
    "by at over in on the my this that a an our for to near here there order orders delivery shipping shipment payment sign light watch "
    "loss motion button working".split()
)

_POLITELY = r"(?: (?:please|pls|plz|now|again|any ?more|ever|thanks|thx|thank you|immediately|asap|already))*$"
_MESSAGES = (
    r"(?:texts|texting|txts?|text messages?|messages?|messaging|sms|spam|spamming|notifications?|alerts?|marketing|newsletters?"
    r"|e ?mails?|mailings?|subscriptions?|promos|promotions|ads|adverts)"
)
_MANY = (
    r"(?:texts|texting|txts|text messages|messages|messaging|sms|spam|notifications|alerts|marketing|newsletters?|e ?mails|promos"
    r"|promotions|ads|adverts|offers)"
)
_WHICH = (
    r"(?:(?:sending|with|all|the|your|any|more|me|us|to|these|this|those|my|of|getting|receiving|from|sms|text|marketing"
    r"|promotional|such|so many) ){0,5}"
)
_NOT = r"(?<!you )(?<!they )(?<!did )\b(?:do ?nt|do not|never|no longer)"
_REQUESTS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:stop|quit|cease) {_WHICH}(?:{_MESSAGES}|text|offers)\b",
        rf"\b(?:end|cancel|terminate|revoke) {_WHICH}{_MESSAGES}\b",
        r"\b(?:stop|quit|cease) (?:contacting|bothering|harassing|annoying|pestering|messaging|calling|writing)(?: to)? (?:me|us)\b",
        rf"\b(?:stop|quit|cease) (?:sending|contacting|writing)(?: (?:me|us|to|this|these|those|it|stuff|things|anything|crap|junk))*{_POLITELY}",
        rf"\bstop (?:this|these|those){_POLITELY}",
        r"^(?:please )?stop this is\b|\bwho is this stop$",
        r"\bmake (?:it|this|these|them) stop\b",
        rf"{_NOT} (?:ever )?(?:text|txt|message|sms|contact|spam|bother|disturb|write(?: to)?) (?:me|us|my|this number|again|any ?more|here)\b(?! back)",
        rf"{_NOT} (?:really )?(?:want|wish|like|need|care for|agree to|consent to)(?: to)?(?: (?:get|receive|have|see))? {_WHICH}{_MANY}\b",
        rf"{_NOT} (?:want|wish|like)(?: to)? (?:be|being) (?:texted|contacted|messaged|spammed)\b",
        rf"{_NOT} (?:ever )?send {_WHICH}(?:{_MESSAGES}|text|offers)\b",
        rf"{_NOT} (?:ever )?send (?:me|us)(?: (?:this|these|those|any|more|anything|stuff))*{_POLITELY}",
        rf"\bno more (?:(?:of|your|these|the|any) ){{0,2}}(?:{_MESSAGES}|text)\b",
        rf"^(?:please |pls )?no (?:more )?(?:of this|offers|{_MANY}){_POLITELY}",
        r"\b(?:unsubscribe|unsub|opt) (?:me|us|my number|this number|from)\b",
        r"\boptout (?:of|from|me)\b|\b(?:please|pls|plz) (?:unsubscribe|unsub|optout|remove me)\b",
        rf"\b(?:remove|delete) (?:me|us|my (?:phone )?number|my phone|this number)(?: (?:off|from|out)\b|{_POLITELY})",
        r"\b(?:take|get) (?:me|us|my (?:phone )?number|my phone|my name|this number) off\b(?! (?:at|here|the (?:bus|train|tram))\b)",
        r"\btake (?:me|us|my (?:phone )?number|my phone|my name|this number) (?:from|out of) (?:your|this)\b",
        r"(?<!dont )(?<!not )\b(?:lose|forget) (?:my|this) number\b",
        r"\bleave (?:me|us) alone\b",
        r"\b(?:revoke|withdraw) (?:my )?(?:consent|permission)\b",
        # French, German, Dutch
        r"\b(?:arr[eê]tez|arr[eê]te|stoppez|cessez) (?:(?:de|les|vos|ces|tous) )*(?:m ?|me |nous )?(?:envoyer|[eé]crire|messages?|sms|textos?|pubs?)\b",
        r"\bne m ?(?:envoyez|[eé]crivez) plus\b|\bne veux plus (?:recevoir|de|vos|ces|aucun)\b",
        r"\b(?:d[eé]sabonnez|d[eé]sinscrivez|retirez|supprimez) moi\b|\bme d[eé](?:sabonner|sinscrire)\b|\blaissez moi tranquille\b",
        r"^(?:bitte |nie wieder )*(?:keine|nie wieder) (?:weiteren |mehr )?(?:sms|nachrichten|werbung)\b(?! (?:bekommen|erhalten|gekommen|angekommen))",
        r"\b(?:m[oö]chte|moechte|will|wollen|w[uü]nsche) (?:\w+ ){0,3}keine (?:weiteren |mehr )?(?:sms|nachrichten|werbung)\b",
        r"\b(?:schreib\w*|schick\w*|send\w*) (?:sie )?(?:mir|uns) (?:\w+ )?(?:nicht|nichts|keine \w+) mehr\b",
        r"\b(?:meld\w*|trag\w*) (?:sie )?(?:mich|uns) (?:bitte )?(?:ab|aus)\b|\blass\w* (?:sie )?mich in ruhe\b",
        r"\bh[oö]r\w* (?:sie )?(?:bitte )?auf (?:mir|mich)\b|\bl[oö]sch\w* (?:sie )?(?:bitte )?meine nummer\b",
        r"^(?:graag |a ?u ?b )?geen (?:sms|smsjes|berichten|reclame) meer\b|\bwil (?:\w+ ){0,2}geen (?:sms|berichten|reclame)\b",
        r"\b(?:meld|schrijf) (?:me|mij) (?:aub |graag )?(?:af|uit)\b",
        # Spanish, Portuguese, Italian
        r"\bno (?:me )?(?:env[ií]e[ns]?|enviarme|mand(?:en|es|arme)|escrib(?:an|as|irme))\b",
        r"\b(?:dejen? de|deje de|paren? de|basta de) (?:me )?(?:enviar|mandar|escribir|mensaj|molestar|sms)",
        r"\b(?:no quiero|n[aã]o quero|non voglio) (?:m[aá]s |mais |pi[uù] |recibir |receber |ricevere )*(?:sus |estos |vuestros |vostri |suas |essas )?(?:mensajes|mensagens|messaggi|sms|recibir|receber|ricevere)\b",
        r"\b(?:d[aeé](?:r|n)?me|dame|quiero la) (?:de )?baja\b|\b(?:remova me|me (?:tire|tira|remova))\b",
        r"\bnon (?:mi )?(?:inviate|inviatemi|mandate|mandatemi|scrivete|scrivetemi) pi[uù]\b|\b(?:cancellatemi|disiscrivetemi|smettetela)\b",
        # Polish
        r"\bnie (?:pisz|piszcie|wysy[lł]aj|wysy[lł]ajcie|przysy[lł]aj|przysy[lł]ajcie) (?:(?:ju[zż]|wi[eę]cej) )?(?:do mnie|mi|do nas|sms\w*|wiadomo\w+|wi[eę]cej|ju[zż])\b",
        r"\bprosz[eę] (?:wi[eę]cej |ju[zż] )?(?:do mnie )?nie (?:pisa[cć]|wysy[lł]a[cć])\b",
        r"\bnie (?:chc[eę]|[zż]ycz[eę] sobie) (?:(?:ju[zż]|wi[eę]cej|tych|waszych|takich|od was|[zż]adnych|dostawa[cć]|otrzymywa[cć]) )*(?:sms\w*|wiadomo\w+|reklam\w*|ofert|dostawa[cć]|otrzymywa[cć])\b",
        r"\bprzesta[nń]\w* (?:do mnie |mi |ju[zż] )*(?:pisa[cć]|wysy[lł]a[cć]|przysy[lł]a[cć]|spamowa[cć])\b|\bprosz[eę] (?:mnie )?przesta[cć]$",
        r"\b(?:wypisz|wypiszcie|wypisa[cć]|usu[nń]|usu[nń]cie|skre[sś]lcie) (?:mnie|m[oó]j numer)\b|\bmnie wypisa[cć]\b|\bo wypisanie\b",
        r"\brezygnuj[eę] z (?:\w+ )?(?:sms\w*|wiadomo\w+|subskrypcji|newslettera|reklam)\b|\bdaj(?:cie)? mi spok[oó]j\b",
        # Russian
        r"\bне (?:пиши|присылай|шли|отправляй|беспокой)(?:те)?\b",
        r"\b(?:отпиши|удали|убери|вычеркни)(?:те)? (?:меня|мой номер)\b|\b(?:хочу|как|прошу) отписать\w*\b|\bотста(?:нь|ньте)\b|\bоставьте меня в покое\b",
        r"\b(?:хватит|прекрати(?:те)?|перестань(?:те)?|довольно) (?:мне )?(?:писать|слать|спамить|присылать|отправлять|спам\w*|рассыл\w+|сообщени\w+|смс|реклам\w+)\b",
        r"\b(?:отмените|отменить|отключите|отключить|уберите|прекратите) (?:мне )?(?:мою )?(?:подписку|рассылку|смс|рекламу|сообщения)\b",
        r"\bне (?:хочу|желаю) (?:больше )?(?:получать|ваш\w+ (?:смс|сообщени\w+|реклам\w+))",
        r"\bбольше не надо (?:писать|слать|смс|сообщений|рекламы)\b",
        # Korean, Japanese, Chinese: no spaces to lean on
        r"수신\s*거부(?!.*(?:해제|취소|풀))",
        r"(?:문자|메시지|메세지|광고|스팸|알림).{0,6}(?:그만|보내지\s*(?:마|말)|중단|거부|싫|필요\s*없)",
        r"그만\s*(?:좀\s*)?(?:보내|연락|하세요|해\s*주세요|해주세요)|연락하지\s*(?:마|말)|^(?:제발|더\s*이상|다시는|이제)?\s*보내지\s*(?:마|말)",
        r"구독\s*(?:을\s*)?(?:취소|해지)|(?:제|내)\s*번호\s*(?:를\s*|좀\s*)?(?:삭제|지워|빼)",
        r"配信\s*停止(?!.*解除)|(?:メール|メッセージ|sms|ショートメール)(?:を|の|は)?(?:停止|止めて|やめて|いらない|不要)|送らないで|送ってこないで",
        r"退订|取消订阅|(?:不要|别)再?(?:给我)?发|不想(?:再)?收到",
    )
)
_NOT_A_REQUEST = re.compile(
    r"\b(?:do ?nt|do not|never|didnt|did not|doesnt) (?:you )?(?:ever )?(?:(?:want|mean|wish|need|have) (?:you |it |them )?to )?"
    r"(?:stop|quit|end|cancel|unsubscribe|unsub|optout|remove)\b"
)

# Each of the above in ASCII has one of these words. Few texts do, and looking for all of it costs more than storing one.
_OPENERS = frozenset(
    "cease terminate n nt not don dont never no opt delete take off lose forget leave withdraw arretez arrete stoppez cessez ne "
    "desabonnez desinscrivez retirez supprimez laissez mehr keine nie geen meld schrijf dejen deje paren pare basta nao non darme denme "
    "dame deme quiero remova tire tira cancellatemi disiscrivetemi smettetela mnie wypiszcie wypisac wypisanie usun usuncie daj dajcie".split()
) | {word for word in _CLEAR | _UNCLEAR if word.isascii()}
_OPENING = re.compile(r"\b(?:meld|trag|lass|hor|losch|przesta)")


def asks_to_stop(folded: str) -> bool:
    """`folded`: as `keywords.fold` leaves it."""
    if folded.isascii() and _OPENERS.isdisjoint(folded.translate(_APART).split()) and not _OPENING.search(folded):
        return False
    parts = _BREAK.split(_APOSTROPHE.sub("", folded))
    spoken = (_OPT_OUT.sub("optout", " ".join(_WORDS.findall(part))) for part in parts)
    sentences = [sentence for sentence in spoken if sentence and not _NOT_A_REQUEST.search(sentence)]
    return _says_the_word(sentences) or any(pattern.search(one) for one in sentences for pattern in _REQUESTS)


def _says_the_word(sentences: list[str]) -> bool:
    words = " ".join(sentences).split()
    if not _UNCLEAR.isdisjoint(words) and _POLITE.issuperset(set(words) - _UNCLEAR):
        return True
    if _CLEAR.isdisjoint(words):
        return False
    for sentence in sentences:
        said = set(sentence.split())
        if not _CLEAR.isdisjoint(said) and _MANNERS.issuperset(said - _CLEAR):
            return True
    outer = [at for at, word in enumerate(words) if word not in _MANNERS]
    return _opens(words, outer[0]) or _closes(words, outer[-1])


def _opens(words: list[str], at: int) -> bool:
    """The first word that is no manners is a clear one, and what follows makes it no other thing."""
    after = words[at + 1] if at + 1 < len(words) else ""
    return words[at] in _CLEAR and not (words[at] in _STOP and after in _STOP_AFTER)


def _closes(words: list[str], at: int) -> bool:
    before = words[at - 1] if at else ""
    return words[at] in _CLEAR and not (words[at] in _STOP and before in _STOP_BEFORE)
