"""Detects a request for no more texts in free wording. Pure (AMB-1; "any reasonable wording", 47 CFR 64.1200(a)(10)).

Three forms count: a clear word ("stop") as its own sentence or at the start or end of the text; an ambiguous word
("cancel") with nothing but polite words; a sentence that names the texts, the sender or the list. Patterns match one
sentence without punctuation and apostrophes, so `^` and `$` are its ends.
"""

from __future__ import annotations

import re

_APOSTROPHE = re.compile(r"(?<=\w)['’‘`´](?=\w)")
_SENTENCE_BREAK = re.compile(r"[.!?,;:()\[\]\"“”„«»。、¡¿/|]+|\s[-–—]+\s|—")
_WORDS = re.compile(r"[^\W_]+")
_PUNCTUATION_TO_SPACES = {code: " " for code in range(128) if not chr(code).isalnum()}  # ASCII only
_OPT_OUT = re.compile(r"\bopt (?:(?:me|us|my number|this number) )?out\b")

# Words that mean an opt-out when they are alone.
_CLEAR = frozenset(
    "stop stopp stopall unsubscribe unsub optout desabonner désabonner desinscrire désinscrire abmelden abbestellen afmelden "
    "стоп отписаться отписка отпишите відписатися відписатись відписка leiratkozás leiratkozom avregistrera ストップ".split()
)
# Words that may also be about an order, a job or a sale: they count only among polite words.
_UNCLEAR = frozenset(
    "cancel end quit remove revoke arret arrêt annuler fin alto parar baja cancelar detener sair annulla cancella stoppen rezygnuje rezygnuję "
    "wypisz iptal dur durdur avsluta avslutt lopeta 거부 중지 停止".split()
)
_POLITE = frozenset(
    "please pls plz kindly thanks thank thx ty you hi hello hey dear sir madam now immediately asap bitte danke sofort jetzt svp merci sil "
    "vous te plait plaît maintenant por favor gracias ya ahora obrigado obrigada agora per favore grazie subito alstublieft aub graag "
    "dank prosze proszę dzieki dzięki dziekuje dziękuję natychmiast teraz пожалуйста спасибо сейчас немедленно 제발 부탁드립니다 부탁해요 "
    "감사합니다 해주세요 해 주세요 tack tak takk kiitos kerem kérem köszönöm lütfen lutfen teşekkürler hemen artık artik будь ласка дякую зараз негайно".split()
)
FILLERS = _POLITE | frozenset(
    "just already again ok okay yes yeah no nope bye u can could would will it this that all i said at once enough and right away oui "
    "ja nein nee sí si não nao tak nie да нет хватит 네 아니요 이제 그만".split()
)
# Next to "stop" these give it another meaning: a bus stop, a visit, an order to be halted.
_STOP = frozenset(("stop", "stopp", "стоп"))
_STOP_BEFORE = frozenset(
    "bus tram train truck pit rest full non one last next first second final the a an my your his her our their each every this which "
    "what wont cant cannot couldnt wouldnt dont doesnt didnt never not it i we he she they hit press pressed push".split()
)
_STOP_AFTER = frozenset(
    "by at over in on the my this that a an our for to near here there order orders delivery shipping shipment payment sign light watch "
    "loss motion button working".split()
)

_POLITELY = (
    r"(?: (?:please|pls|plz|now|again|any ?more|ever|thanks|thx|thank you|immediately|asap|already"
    r"|por favor|gracias|bitte|danke|merci|svp|sil vous pla[iî]t|obrigad[oa]|grazie|per favore))*$"
)
_MESSAGES = (
    r"(?:texts|texting|txts?|text messages?|messages?|messaging|sms|spam|spamming|notifications?|alerts?|marketing|newsletters?"
    r"|e ?mails?|mailings?|promos|promotions|ads|adverts)"
)
_MANY = (
    r"(?:texts|texting|txts|text messages|messages|messaging|sms|spam|notifications|alerts|marketing|newsletters?|e ?mails|promos"
    r"|promotions|ads|adverts|offers)"
)
_WHICH = (
    r"(?:(?:sending|with|all|the|your|any|more|me|us|to|these|this|those|my|of|getting|receiving|from|sms|text|marketing"
    r"|promotional|such|so many) ){0,5}"
)
# The next word must not change what is cancelled: "cancel my text order" is about the order.
_NO_PRODUCT = r"(?=$| (?:from|to|for|on|at|of|by|now|today|please|pls|thanks|immediately|asap|and|or|i|we|it|that|you|as|right|altogether)\b)"
_NOT = r"(?<!you )(?<!they )(?<!did )\b(?:do ?nt|do not|never|no longer)"
_REQUESTS = tuple(
    re.compile(pattern)
    for pattern in (
        rf"\b(?:stop|quit|cease) {_WHICH}(?:{_MESSAGES}|text|offers)\b",
        rf"\b(?:end|cancel|terminate|revoke) {_WHICH}{_MESSAGES}{_NO_PRODUCT}",
        # A subscription may be to coffee: it must be without a noun, or name our messages.
        rf"\b(?:stop|quit|cease|end|cancel|terminate|revoke) {_WHICH}(?:{_MESSAGES} )?subscriptions?"
        rf"(?:$| (?:now|today|please|pls|plz|thanks|thank you|immediately|asap|because|since|altogether|already|with you|for me)\b| (?:to|for|of|from) {_WHICH}{_MESSAGES}\b)",
        r"\b(?:i|we) (?:hereby )?revoke$",
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
        # "Wrong number" and "no more" count only as the whole sentence.
        r"^(?:(?:i think|im afraid|sorry|hi|hey|hello|no|this is|thats|that is|its|it is|you have|youve|you got|got|u have|u got|you texted|you are texting"
        rf"|youre texting|you reached|you have reached|the|a) )*wrong (?:number|person|phone|num){_POLITELY}",
        r"^(?:sie haben |du hast |das ist )?(?:die |eine )?falsche (?:nummer|person)$|^falsch verbunden$|^(?:vous avez (?:fait )?|c est |cest )?(?:le |un )?(?:mauvais|faux) num[eé]ro$|^erreur de num[eé]ro$",
        r"^(?:es |tienen? |tiene |este es )?(?:el |un )?n[uú]mero equivocado$|^se equivoc[oó] de n[uú]mero$|^(?:[eé] |foi )?(?:o )?n[uú]mero errado$|^(?:hai |avete |ha )?(?:il )?numero sbagliato$|^(?:hai |avete |ha )?sbagliato numero$",
        r"^(?:u hebt |je hebt |dit is )?(?:het )?verkeerde? nummer$|^verkeerd verbonden$|^(?:to )?(?:z[lł]y|b[lł][eę]dny) numer$|^(?:вы )?ошиблись номером$|^(?:это )?не тот номер$|^(?:ви )?помилились номером$|^(?:це )?не той номер$|^yanl[iı][sş] numara$",
        r"^(?:전화\s*)?번호\s*(?:를\s*)?잘못\s*(?:보내|거|누르|아)\w*$|^잘못\s*보내\w*$|^(?:電話)?番号(?:違い|間違い)(?:です)?$|^(?:你|您)?(?:发错|打错)(?:号码|人)?了?$",
        rf"^(?:ya )?no m[aá]s{_POLITELY}|^no more{_POLITELY}|\bno m[aá]s (?:mensajes|sms|textos|correos|promociones|ofertas|publicidad|spam)\b",
        r"^(?:n[aã]o mais|(?:j[aá] )?chega|basta(?: ya| cos[iì])?|plus jamais|nie wieder|nooit meer|ju[zż] nie wi[eę]cej|nie wi[eę]cej|больше не надо|не надо больше|хватит|досить|годі|yeter(?: art[iı]k)?)$",
        r"^(?:이제|제발)?\s*그만(?:\s*(?:요|해|하세요|해요|해\s*주세요|해주세요|좀))?$|^(?:もう)?(?:やめて|止めて)(?:ください|下さい)?$|^(?:别|不要)再?发了?$",
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
        r"\brezygnuj[eę] z (?:\w+ )?(?:sms\w*|wiadomo\w+|newslettera|reklam|subskrypcji(?:$| (?:sms\w*|wiadomo\w+|newslettera)))|\bdaj(?:cie)? mi spok[oó]j\b",
        # Russian
        r"\bне (?:пиши|присылай|шли|отправляй|беспокой)(?:те)?\b",
        r"\b(?:отпиши|удали|убери|вычеркни)(?:те)? (?:меня|мой номер)\b|\b(?:хочу|как|прошу) отписать\w*\b|\bотста(?:нь|ньте)\b|\bоставьте меня в покое\b",
        r"\b(?:хватит|прекрати(?:те)?|перестань(?:те)?|довольно) (?:мне )?(?:писать|слать|спамить|присылать|отправлять|спам\w*|рассыл\w+|сообщени\w+|смс|реклам\w+)\b",
        r"\b(?:отмените|отменить|отключите|отключить|уберите|прекратите) (?:мне )?(?:мою )?(?:рассылку|смс|рекламу|сообщения|подписку(?:$| на (?:рассылку|смс|сообщения)))\b",
        r"\bне (?:хочу|желаю) (?:больше )?(?:получать|ваш\w+ (?:смс|сообщени\w+|реклам\w+))",
        r"\bбольше не надо (?:писать|слать|смс|сообщений|рекламы)\b",
        # Ukrainian, Turkish
        r"\bне (?:пиши|пишіть|надсилай|надсилайте|шліть|турбуйте)\b|\b(?:відпишіть|видаліть|приберіть) (?:мене|мій номер)\b|\bприпиніть (?:писати|надсилати|розсилку)\b",
        r"\b(?:mesaj|sms|reklam)\w* (?:\w+ )?(?:g[oö]ndermeyin|g[oö]nderme|atmay[iı]n|istemiyorum)\b|\babonelikten [cç][iı]k|\blistenizden [cç][iı]kar",
        # Korean, Japanese, Chinese: no reliable spaces between words
        r"수신\s*거부(?!.*(?:해제|취소|풀))",
        r"(?:문자|메시지|메세지|광고|스팸|알림).{0,6}(?:그만|보내지\s*(?:마|말)|중단|거부|싫|필요\s*없)",
        r"그만\s*(?:좀\s*)?(?:보내|연락|하세요|해\s*주세요|해주세요)|연락하지\s*(?:마|말)|^(?:제발|더\s*이상|다시는|이제)?\s*보내지\s*(?:마|말)",
        r"^(?:(?:제발|이제|저|좀|문자|메시지|알림|뉴스레터|이|그만|지금)\s*)*구독\s*(?:을\s*)?(?:취소|해지)|(?:제|내)\s*번호\s*(?:를\s*|좀\s*)?(?:삭제|지워|빼)",
        r"配信\s*停止(?!.*解除)|(?:メール|メッセージ|sms|ショートメール)(?:を|の|は)?(?:停止|止めて|やめて|いらない|不要)|送らないで|送ってこないで",
        r"^(?:配信を?|メールを?)?(?:停止|ストップ|解除)(?:して|を|で)?(?:ください|下さい|お願いします|願います|希望|希望します)$",
        r"退订|退訂|取消订阅|取消訂閱|(?:不要|别)再?(?:给我)?发|不想(?:再)?收到",
    )
)
_NOT_A_REQUEST = re.compile(
    r"\b(?:do ?nt|do not|never|didnt|did not|doesnt) (?:you )?(?:ever )?(?:(?:want|mean|wish|need|have) (?:you |it |them )?to )?"
    r"(?:stop|quit|end|cancel|unsubscribe|unsub|optout|remove)\b"
)

# Next to "remove" this is the reason for the opt-out.
_NOT_INTERESTED = re.compile(
    r"^(?:(?:i ?m|i am|we are|were|sorry|no|am|thanks|thank you) )*(?:not|no longer) interested(?: any ?more)?$|^kein interesse$|^pas int[eé]ress[eé]e?$"
    r"|^no (?:me|nos) interesa$|^non (?:mi interessa|sono interessat[oa])$|^n[aã]o (?:tenho interesse|me interessa)$|^geen interesse$"
    r"|^nie (?:jestem )?zainteresowan[ya]$|^не (?:интересно|интересует|цікаво|цікавить)$"
)
# Emoji that mean stop.
_STOP_SIGNS = re.compile("[🛑⛔🚫]")

# A fast check: every ASCII pattern above contains one of these words, and few texts do.
_CUE_WORDS = frozenset(
    "cease terminate n nt not don dont never no opt delete take off lose forget leave withdraw arretez arrete stoppez cessez ne "
    "desabonnez desinscrivez retirez supprimez laissez mehr keine nie geen meld schrijf dejen deje paren pare basta nao non darme denme "
    "dame deme quiero remova tire tira cancellatemi disiscrivetemi smettetela mnie wypiszcie wypisac wypisanie usun usuncie daj dajcie wrong falsche falsch mauvais faux erreur numero equivocado equivoco errado sbagliato "
    "verkeerd verkeerde zly bledny yanlis ya no chega nooit yeter gondermeyin gonderme atmayin istemiyorum abonelikten listenizden".split()
) | {word for word in _CLEAR | _UNCLEAR if word.isascii()}
_CUE_STEMS = re.compile(r"\b(?:meld|trag|lass|hor|losch|przesta)")


def asks_to_stop(folded: str) -> bool:
    """Whether the text asks for no more texts. `folded`: the result of `keywords.fold`."""
    if (
        folded.isascii()
        and _CUE_WORDS.isdisjoint(folded.translate(_PUNCTUATION_TO_SPACES).split())
        and not _CUE_STEMS.search(folded)
    ):
        return False
    if _STOP_SIGNS.search(folded) and _POLITE.issuperset(_WORDS.findall(folded)):
        return True
    sentences = _sentences(folded)
    if _has_clear_word(sentences):
        return True
    if _STOP_SIGNS.search(folded):
        sentences = _sentences(_STOP_SIGNS.sub(" stop ", folded))
    return any(pattern.search(sentence) for sentence in sentences for pattern in _REQUESTS)


def _sentences(folded: str) -> list[str]:
    """The sentences without punctuation, except those that mean the opposite ("don't stop")."""
    parts = _SENTENCE_BREAK.split(_APOSTROPHE.sub("", folded))
    spoken = (_OPT_OUT.sub("optout", " ".join(_WORDS.findall(part))) for part in parts)
    return [sentence for sentence in spoken if sentence and not _NOT_A_REQUEST.search(sentence)]


def _has_clear_word(sentences: list[str]) -> bool:
    words = " ".join(sentence for sentence in sentences if not _NOT_INTERESTED.search(sentence)).split()
    if not _UNCLEAR.isdisjoint(words) and _POLITE.issuperset(set(words) - _UNCLEAR):
        return True
    words = " ".join(sentences).split()
    if _CLEAR.isdisjoint(words):
        return False
    for sentence in sentences:
        spoken = set(sentence.split())
        if not _CLEAR.isdisjoint(spoken) and FILLERS.issuperset(spoken - _CLEAR):
            return True
    outer = [index for index, word in enumerate(words) if word not in FILLERS]
    return _clear_word_opens(words, outer[0]) or _clear_word_closes(words, outer[-1])


def _clear_word_opens(words: list[str], index: int) -> bool:
    """Whether the word at `index` is a clear word and the next word does not change its meaning."""
    after = words[index + 1] if index + 1 < len(words) else ""
    return words[index] in _CLEAR and not (words[index] in _STOP and after in _STOP_AFTER)


def _clear_word_closes(words: list[str], index: int) -> bool:
    before = words[index - 1] if index else ""
    return words[index] in _CLEAR and not (words[index] in _STOP and before in _STOP_BEFORE)
