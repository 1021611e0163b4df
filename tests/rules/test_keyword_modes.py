"""The effect of a text in each of the three keyword modes (KEY-1..6, AMB-1)."""

from __future__ import annotations

import pytest

from server.consent.keywords import Help, Mode, Plain, Stop, StopRequest, classify

MODES: list[Mode] = ["exact", "contains", "smart"]

# Columns: modes exact, contains, smart. S: stops; R: marketing pauses and an agent is asked; H: help; -: a message.
TABLE = """
https://ex.co/stop                          | - - -
see https://ex.co/unsubscribe               | - - -
stop@example.com                            | - - -
Please cancel my subscription box           | - S -
How do I end my subscription to coffee?     | - S -
Can you revoke my discount code?            | - S -
cancel my subscription                      | - S R
I gave the wrong number for my order        | - - -
wrong number                                | - - R
Not interested, remove                      | - - R
no más                                      | - - R
no mas                                      | - - R
🛑                                          | - - R
please opt out                              | - S R
I would like to opt out                     | - S R
opt me out                                  | - S R
ストップ                                    | S S S
ｽﾄｯﾌﾟ                                       | S S S
İPTAL                                       | S S S
iptal                                       | S S S
DUR                                         | S S S
ДОПОМОГА                                    | H H H

see www.shop.example/stop-smoking           | - - -
ex.co/unsubscribe                           | - - -
shop.example/cancel/end?quit=1              | - - -
https://ex.co/x?do=stop#end.                | - - -
(https://ex.co/stop)                        | - - -
HTTPS://EX.CO/STOP                          | - - -
ｈｔｔｐｓ：／／ex.co／stop                 | - - -
I read stop.com and unsubscribe.shop.com    | - - -
write to unsubscribe@shop.example please    | - - -
<stop@shop.example>                         | - - -
mailto:stop@shop.example                    | - - -
https://ja.example/停止                     | - - -
STOP https://ex.co/x                        | - S R
https://ex.co/x stop texting me             | - S R
Ok.Stop                                     | - S R
stop @ the shop on Monday                   | - S -

Please end my coffee subscription box       | - S -
I want to cancel the subscription for my mum's flowers | - S -
stop my subscription box please             | - S -
please cancel my email order                | - S -
Cancel my text order 1042                   | - S -
Can I revoke a payment?                     | - S -
I revoke                                    | - S R
I revoke my consent                         | - S R
please revoke                               | - S R
REVOKE                                      | S S S
cancel my subscription please!              | - S R
How do I cancel my subscription?            | - S R
cancel my subscription today please         | - S R
I want to cancel my subscription because I moved | - S R
Cancel my newsletter subscription           | - S R
Cancel my coffee subscription               | - S -
cancel my subscription to your texts        | - S R
end my sms subscription                     | - S R
stop my text alerts                         | - S R
cancel these texts now                      | - S R
rezygnuję z subskrypcji                     | - S R
rezygnuję z subskrypcji kawy                | - S -
отмените мою подписку                       | - - R
отмените подписку на кофе                   | - - -
커피 정기구독 취소하고 싶어요               | - - -
구독 취소해 주세요                          | - - R

Wrong number!                               | - - R
Sorry, wrong number                         | - - R
You have the wrong number                   | - - R
I think you've got the wrong person         | - - R
wrong number, stop                          | - S R
I typed the wrong number of cups            | - - -
Is this the wrong number?                   | - - -
is that the wrong number for the shop?      | - - -
falsche Nummer                              | - - R
Sie haben die falsche Nummer                | - - R
mauvais numéro                              | - - R
número equivocado                           | - - R
numero sbagliato                            | - - R
número errado                               | - - R
verkeerd nummer                             | - - R
zły numer                                   | - - R
Вы ошиблись номером                         | - - R
не тот номер                                | - - R
번호 잘못 보내셨어요                        | - - R
番号違いです                                | - - R
注文番号が違います                          | - - -
发错了                                      | - - R

I'm not interested, cancel                  | - S R
Not interested. Remove please               | - - R
not interested in the blue one, remove it   | - - -
Kein Interesse, abmelden                    | - S R
No me interesa, cancelar                    | - S R
REMOVE                                      | S S S
please remove the second item               | - - -
ya no más                                   | - - R
No más mensajes                             | - - R
no more                                     | - - R
No more please                              | - - R
there is no more tea                        | - - -
no más de dos tazas                         | - - -
basta                                       | - - R
não mais                                    | - - R
nie więcej                                  | - - R
хватит                                      | - - R
그만                                        | - - R
やめてください                              | - - R
别发了                                      | - - R

🛑🛑🛑                                      | - - R
🛑 please                                   | - - R
🛑 texting me                               | - - R
⛔️                                          | - - R
🚫                                          | - - R
STOP 🛑                                     | S S S
🛑 HELP 🛑                                  | H H H
is the 🛑 sign mug back?                    | - - -
✋                                          | - - -

Please opt me out                           | - S R
opt us out of this                          | - S R
I'd like to opt-out                         | - S R
opt my number out                           | - S R
opt out                                     | S S S
we opt for the green one                    | - - -
please don't opt me out                     | - S -

ストップ。                                  | S S S
配信停止                                    | S S S
配信停止お願いします                        | - S R
停止してください                            | - S R
ストップしてください                        | - S R
ストップウォッチはありますか                | - - -
수신거부해주세요                            | - S R
IPTAL                                       | S S S
İptal!                                      | S S S
ıptal                                       | S S S
dur lütfen                                  | - S R
İptal et                                    | - S -
mesaj istemiyorum                           | - - R
не пишіть мені більше                       | - - R
DURDUR                                      | S S S
RET                                         | S S S
СТОП                                        | S S S
відписатися                                 | S S S
退訂                                        | S S S
AVSLUTA                                     | S S S
допомога!                                   | H H H
Yardım                                      | H H H
hjälp                                       | H H H
"""
LINES = [line.rsplit("|", 1) for line in TABLE.splitlines() if line]
CASES = [
    (text.strip(), mode, effect)
    for text, answers in LINES
    for mode, effect in zip(MODES, answers.split(), strict=True)
]  # fmt: skip


@pytest.mark.parametrize(("text", "mode", "effect"), CASES)
def test_a_text_has_the_effect_of_the_table_in_each_mode(text: str, mode: Mode, effect: str) -> None:
    meaning = classify(text, mode)
    kinds = {"S": Stop, "R": StopRequest, "H": Help, "-": Plain}
    assert isinstance(meaning, kinds[effect]), meaning


def test_every_text_is_in_the_table_once() -> None:
    texts = [text.strip() for text, _ in LINES]
    assert len(texts) == len(set(texts)) and len(texts) >= 110
