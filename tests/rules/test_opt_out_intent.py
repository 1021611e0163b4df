"""Sentences that ask for no more texts, and sentences that only resemble them (AMB-1, S14)."""

from __future__ import annotations

import pytest

from server.consent.keywords import Plain, StopRequest, classify

WISHES = """
STOP I never signed up
Who is this? STOP
stop. who is this?
Stop!!! I never signed up
Stop thx bye
STOP this is not John
STOP wrong number
yes stop
no stop
no, stop
ok stop now
hey can you please stop
I said stop
I never gave you my number. Stop.
I did not cancel anything, stop
Who is this STOP
stop it!!
Stop this
make it stop
I want you to stop
stop - I moved to Spain
UNSUBSCRIBE I have a new phone
how do I unsubscribe?
I'd like to unsubscribe
opt me out
Opt out. I moved away
I want to opt out of these texts
please cancel
CANCEL please
thank you, end
CANCEL SUBSCRIPTION
cancel all texts
please cancel my text messages
end these texts
quit texting me
Stop sending me this
stop sending
Please stop contacting me
remove me
Remove me please
please remove me from the list
take me off this list
delete my number
do not text me
Don't ever message me again
don’t send me any more messages
don't send me these
I don't want any more of your texts
I do not need your notifications
I no longer want to receive marketing
I don't want to be contacted
no more messages
no texts please
no more offers
why won't you stop texting me
I withdraw my consent
leave us alone
그만 보내세요
그만 좀 보내세요
그만 연락하세요
문자 그만 보내 주세요
광고 문자 보내지 마세요
더 이상 보내지 마세요
연락하지 마세요
수신거부 해주세요
수신 거부 부탁드립니다
거부 부탁드립니다
구독 취소해 주세요
제 번호 삭제해 주세요
이 광고 싫어요
nie pisz do mnie więcej
nie piszcie do mnie
Nie pisz do mnie wiecej
nie wysyłajcie mi SMS-ów
proszę więcej nie pisać
nie chcę dostawać waszych wiadomości
nie chce wiecej smsow
wypiszcie mnie
proszę mnie wypisać
proszę o wypisanie z listy
wypisz proszę
proszę usuńcie mój numer
przestańcie do mnie pisać
rezygnuję z newslettera
rezygnuję, dziękuję
stop, kim jesteście?
dajcie mi spokój
не пиши мне
не присылайте мне больше ничего
отпишите меня
как отписаться?
я хочу отписаться от рассылки
стоп, кто это?
Кто вы? Стоп
хватит спама
прекратите присылать смс
удалите мой номер
уберите меня из списка
отключите рассылку
не хочу получать ваши сообщения
отстаньте
bitte stop
stop bitte
Bitte abmelden
Ich möchte mich abmelden
melden Sie mich bitte ab
keine SMS mehr
Ich möchte keine Nachrichten mehr erhalten
Schreiben Sie mir nicht mehr
Hören Sie auf mir zu schreiben
stop svp
ne m'écrivez plus
je ne veux plus recevoir vos messages
désabonnez-moi
laissez-moi tranquille
stop por favor
no me envíen más mensajes
no quiero más mensajes
dejen de escribirme
denme de baja
baja por favor
não quero mais mensagens
non voglio più ricevere sms
non scrivetemi più
cancellatemi dalla lista
geen berichten meer
schrijf me uit
afmelden aub
配信停止お願いします
メールを送らないで
退订谢谢
不要再给我发短信
""".strip().splitlines()

NO_WISHES = """
do not like this color
I don't need this today
I don't get the text with the code
I don't receive your texts
I did not get any messages
Does this offer end this Friday?
Can I stop this order?
bus stop at 5?
which stop is yours?
where is the next stop?
Where do I get off, which stop
cancel my order
please cancel my order
yes cancel the second one
cancel it now please
stop by tomorrow?
Can I stop by tomorrow?
stop the delivery please
Please stop the shipment
stop my order
stop at the shop on Monday?
my dog won't stop barking
it doesn't stop
Don't stop!
please don't stop texting me
I don't want to unsubscribe
I didn't unsubscribe
please do not remove me from the list
I hit stop
end of the week?
the end
The end. Thanks
is this the end of the sale?
when does it end
I quit smoking
quit job, need a new address
remove the blue one from my order
remove it
take me to the shop
can you drop us off at the shop?
get me off at the next one
get me two of them
can you take us from the airport?
delete my order
I leave my house alone at 5
do you text me the code?
text me when it is ready
don't forget my number is new
send me a message
why did you never text me back
please send no invoice
there is no more tea
no more sugar please
I never had tea this good
never mind
I don't know
I do not have the number
this is the wrong number of cups
is my number on your list?
could you text me more offers
I like your messages
I have a subscription question
does the offer stop tomorrow?
drop me a line
opt for the green one
주문 취소해 주세요
주문 중지하고 싶어요
문자 보내 주세요
문자를 못 받았어요
배송 그만큼 걸려요?
수신거부 해제해 주세요
다음 정류장은 어디예요?
환불 부탁드립니다
nie pisz tego na paczce
nie chcę więcej czekać na paczkę
nie chcę tego koloru
proszę wypisać fakturę
wypisz mi fakturę
rezygnuję z zamówienia
gdzie jest przystanek?
nie dostałem SMS-a z kodem
proszę przestawić termin
nie mam waszego numeru
не пришло смс с кодом
я не получаю ваши сообщения
где остановка?
отмените мой заказ
хочу отменить заказ
не хочу этот цвет
удалите второй товар
хватит двух штук?
напишите мне завтра
Ich habe keine SMS bekommen
Ich bekomme keine Nachrichten
bitte keine Milch
ich will keine Tasse
schicken Sie mir zwei
je veux deux tasses
je ne veux plus attendre
l'arrêt de bus est où?
no me gusta este color
no quiero el azul
quiero cancelar mi pedido
es muy alto
non voglio il blu
não quero esse
ik wil geen suiker
ik heb geen sms gekregen
注文をキャンセルしたい
bus stop
""".strip().splitlines()


@pytest.mark.parametrize("text", WISHES)
def test_a_sentence_that_asks_for_no_more_texts_is_recognised(text: str) -> None:
    assert classify(text, "smart") == StopRequest()


@pytest.mark.parametrize("text", WISHES)
def test_in_mode_exact_a_sentence_is_an_ordinary_message(text: str) -> None:
    assert classify(text, "exact") == Plain()


@pytest.mark.parametrize(
    "text", ["I never signed up\nSTOP\nwho is this", "Hi\nplease stop\nAnna Meyer", "please\nremove me\nfrom this"]
)
def test_each_line_is_a_sentence(text: str) -> None:
    assert classify(text, "smart") == StopRequest()
    assert classify("When is\nthe next\nbus?\nAnna", "smart") == Plain()


@pytest.mark.parametrize("text", NO_WISHES)
def test_a_sentence_that_only_resembles_a_request_is_an_ordinary_message(text: str) -> None:
    assert classify(text, "smart") == Plain()


def test_every_sentence_is_listed_once() -> None:
    every = WISHES + NO_WISHES
    assert len(every) == len(set(every)) and len(WISHES) >= 120 and len(NO_WISHES) >= 90
