"""Reactions that phones send as texts quote our own text, STOP included, and change no consent (AMB-1)."""

from __future__ import annotations

import time

import pytest

from server.consent.keywords import Help, Mode, Plain, Start, Stop, StopRequest, classify

OURS = "Flash sale! Reply STOP to opt out"
MODES: list[Mode] = ["smart", "contains", "exact"]

# X is the quoted message; each language has its own quotation marks.
WRITTEN = {
    "en “”": "Liked X|Loved X|Disliked X|Laughed at X|Emphasized X|Emphasised X|Questioned X|Reacted 😂 to X|Reacted with a sticker to X"
    "|Removed a heart from X|Removed a like from X|Removed a dislike from X|Removed a laugh from X|Removed an exclamation from X"
    "|Removed a question mark from X|Removed 😂 from X|😂 to X|❤️ to X|👍🏽 to X|‼️ to X|❓ to X|liked X|LIKED X",
    'en ""': 'Liked X|Loved X|Laughed at X|Removed an exclamation from X|Reacted 👍 to X|🔥 to X',
    "en ‘’": "Liked X|Emphasised X",
    "en ''": "Liked X|Removed a like from X",
    "en ��": "Liked X|Laughed at X",
    "de „“": "Gefällt mir X|Gefällt X|Gefällt mir nicht X|Liebt X|Mag X|Lacht über X|Betont X|Hat X geliebt|Hat über X gelacht|Hat X hervorgehoben"
    "|Hat X mit „Gefällt mir“ markiert|Hat ein Herz zu X hinzugefügt|X ein Herz hinzugefügt|Hat mit 😂 auf X reagiert|Reagierte mit 😂 auf X"
    "|Entfernte 😂 aus X|Hat ein Herz von X entfernt|Hat „Gefällt mir“ von X entfernt|Hat X infrage gestellt|X gefällt mir",
    "de „”": "Gefällt mir X|Entfernte 😂 aus X|Betont X",
    "de »«": "Gefällt mir X|Lacht über X",
    "fr «»": "A aimé X|A adoré X|N’a pas aimé X|N'a pas aimé X|A ri de X|A mis en évidence X|A souligné X|A posé une question sur X|S’est interrogé(e) sur X"
    "|A réagi avec 😂 à X|A réagi 😂 à X|A ajouté un rire à X|A ajouté un cœur à X|A ajouté des points d’exclamation à X|A ajouté un « J’aime » à X"
    "|A attribué la mention « J’adore » à X|A retiré un cœur de X|A retiré son « J’aime » de X|A retiré 😂 de X|J’aime X",
    "fr “”": "A aimé X|A réagi avec 😂 à X|A retiré 😂 de X",
    "es “”": "Le gustó X|Le gusta X|Le encantó X|Le encanta X|No le gustó X|Le dio risa X|Le hace gracia X|Le pareció gracioso X|Exclamó por X|Enfatizó X"
    "|Dudó sobre X|Dejó de dudar sobre X|Dejó de gustarle X|Ya no le gusta X|Reaccionó con 😂 a X|Se ha reaccionado con 😂 a X|Se quitó 😂 de X"
    "|Eliminó un corazón de X|Ha eliminado un signo de interrogación de X|Le sorprende X",
    "es «»": "Le gustó X|Reaccionó con 😂 a X|Se ha añadido ❤️ a X",
    "it “”": "Ha aggiunto un cuoricino a X|Ha messo “Mi piace” a X|Ha aggiunto “Non mi piace” a X|Trova divertente X|Ha riso per X|Ha evidenziato X"
    "|Ha aggiunto il punto interrogativo a X|Ha aggiunto i punti esclamativi a X|Ha reagito con 😂 a X|Ha rimosso 😂 da X|Ha rimosso un cuore da X"
    "|Piace X|Non piace X",
    "it «»": "Ha adorato X|Ha reagito con 😂 a X",
    "pt “”": "Amou X|Adorou X|Curtiu X|Não curtiu X|Gostou de X|Não gostou de X|Riu de X|Enfatizou X|Questionou X|Reagiu com 😂 a X|Reagiu com “❤️” a X"
    "|Removeu uma risada de X|Removeu um coração de X|Removeu 😂 de X",
    "nl “”": "Vond X leuk|Vond X niet leuk|Vindt X geweldig|Lachte om X|Moest lachen om X|Benadrukte X|Heeft X benadrukt|Zette vraagtekens bij X"
    "|Gaf een hartje aan X|Reageerde met 😂 op X|Heeft met 😂 op X gereageerd|Verwijderde een duim omlaag van X|Verwijderde 😂 van X",
    "nl ‘’": "Vond X leuk|Lachte om X",
    "pl „”": "😂 do wiadomości X|Pokochał X|Pokochał(a) X|Polubił(a) X|Znielubił X|Zaśmiał się z X|Zaśmiał(a) się z X|Podkreślił X|Zakwestionował X|Podoba się X|Nie podoba się X"
    "|Zareagował 😂 na X|Zareagował(a) 😂 na X|Usunął serce z X|Usunęła polubienie z X|Usunął 😂 z X",
    "pl “”": "Polubił X|Uwielbia X",
    "ru «»": "Очень понравилось X|Понравилось X|Не понравилось X|Посмеялись над X|Отмечено X|Поставлен вопрос на X|Нравится X|Отреагировал(а) 😂 на X"
    "|Отреагировал(а) 😂 на сообщение X|Реакция 😂 на X|Реакция 😂 удалена из X|Удалено сердце из X",
    'ru ""': "Реакция 😂 на X|Понравилось X",
    "uk «»": "Вподобано X|Дуже сподобалося X|Сподобалося X|Не сподобалося X|Посміялися з X|Підкреслено X|Піддає сумніву X|Подобається X|Реакція 😂 на X"
    "|Додано реакцію «❤️» на X|Видалено сердечко з X",
    "uk „“": "Сподобалося X|Додано реакцію 😂 на X",
    "ko “”": "X에 하트를 추가함|X에 좋아요 표시|X을(를) 좋아합니다|X을(를) 싫어합니다|X에 웃었습니다|X을(를) 강조함|X에 물음표를 추가함|X에 😂(으)로 반응함|X에 좋아요를 취소했습니다",
    'ko ""': "X에 좋아요|X에 😂 반응을 남겼습니다",
    "ja “”": "Xに“いいね”しました|Xを“いいね”と評価しました|Xにハートを付けました|Xに笑いました|Xを強調しました|Xに疑問符を付けました|Xに😂でリアクションしました|Xからハートを削除しました",
    "ja 「」": "Xに「いいね！」しました|Xに大笑いしました|Xを大好きと言っています|Xを強調しました|Xに😂でリアクション",
    "ja 『』": "Xを強調しました|Xにハートをつけました",
    "zh “”": "喜欢X|喜欢了X|不喜欢X|赞了X|笑了X|觉得X很好笑|强调了X|对X表示疑问|对X表示了惊叹|用😂回应了X|移除了对X的赞|惊叹X",
    "zh 「」": "喜歡X|對X按讚|已用😂回應X|對X大笑|強調了X|對X表示疑問|移除了X的愛心",
    "zh 『』": "喜歡X|強調了X",
    "tr “”": "X beğenildi|Beğenildi: X|X iletisini beğendi|X iletisini beğenmedi|X iletisine güldü|Kalp eklendi: X|Gülme işareti eklendi: X|Soru işareti silindi: X"
    "|X vurgulandı|X iletisine 😂 ifadesini bıraktı|X mesajına 😂 ile tepki verdi",
    'tr ""': "Beğenildi: X|X sorgulandı",
    "sv ””": "Tyckte om X|Gillade X|Älskade X|Ogillade X|Skrattade åt X|Betonade X|Ifrågasatte X|Reagerade med 😂 på X|Tog bort ett hjärta från X|Tog bort 😂 från X",
    "sv “”": "Gillar X|Älskar X",
    "no “”": "Satte et hjerte ved X|Likte X|Liker ikke lenger X|Mislikte X|Lo av X|Satte utropstegn ved X|Satte spørsmålstegn ved X|Reagerte med 😂 på X"
    "|Fjernet latter fra X|Fjernet et spørsmålstegn fra X",
    "no «»": "Likte X|Elsket X|Reagerte med 😂 på X",
    "da ”“": "Elskede X",
    "da “”": "Synes godt om X|Kunne ikke lide X|Grinede ad X|Fremhævede X|Satte spørgsmålstegn ved X|Føjede et hjerte til X|Reagerede med 😂 på X|Fjernede et hjerte fra X",
    "fi ””": "Tykkäys X|Tykkäsi X|Ei tykännyt X|Rakasti X|Nauroi X|Korosti X|Kyseenalaisti X|Reagoi 😂 viestiin X|Poisti sydämen viestistä X",
    "cs „“": "Milovaný X|Líbilo se X|Nelíbí se X|Smál se X|Zdůrazněno X|Otázka X|Reagoval 😂 na X|Odstraněno srdce z X|Odstranil jsem vykřičník z X",
    "sk „“": "Páčilo sa X|Nepáčilo sa X|Reagoval 😂 na X",
    "hu „”": "szívecske erre: X|kedveli: X|nem kedveli: X|nevetett rajta: X|kiemelte: X|kérdezte: X|😂 reagált erre: X|kérdőjel eltávolítva erről: X|😂 eltávolítva innen: X",
    "ro „”": "I-a plăcut X|A apreciat X|A râs de X|A reacționat cu 😂 la X",
    "hr „“": "Sviđa mu se X|Nasmijao se na X|Reagira s “❤️” na X",
    "bg „“": "Харесано X|Реакция 😂 към X|Премахнато 😂 от X",
    "el «»": "Του άρεσε X|Γέλασε με X|Αντέδρασε με 😂 σε X",
    "id “”": "Menyukai X|Tertawa karena X|Bereaksi 😂 terhadap X",
    "vi “”": "Đã thích X|Đã yêu thích X|Đã không thích X|Đã nhấn mạnh X|Đã thả tim cho X|Đã bày tỏ cảm xúc 😂 với X|Đã xóa 😂 khỏi X",
    "th “”": "ถูกใจ X|ชอบ X|หัวเราะ X|ตั้งคำถาม X",
    "hi “”": "X को पसंद किया|X पर 😂 प्रतिक्रिया दी",
    "he “”": "אהב את X|צחק על X|הגיב 😂 על X",
    "ar “”": "أحب(ت) X|ضحك(ت) على X|تفاعل(ت) 😂 على X|وضع(ت) إعجابًا على X",
    "ca «»": "Li ha agradat X|Li ha encantat X|L’ha sorprès X",
    "km “”": "😂 ចំពោះ X",
    "of a language unknown to us “”": "Qha 😂 rau X",
}  # fmt: skip
REACTIONS = [
    (sentence.replace("X", f"{marks[-2]}{OURS}{marks[-1]}")) for marks, sentences in WRITTEN.items() for sentence in sentences.split("|")
]  # fmt: skip

# Reactions as Google's Messages writes them, with invisible characters, and with other text around or inside.
WITH_INVISIBLE = [
    f"\u200a\u200b😂\u200b to “\u200a{OURS}\u200a”\u200a",
    f"\u200aRemoved \u200c😂\u200c from “\u200a{OURS}\u200a”\u200a",
    f'\u200aРеакция \u200b😂\u200b на "\u200a{OURS}\u200a"\u200a',
    f"\u200a\u200b👍\u200b an „\u200a{OURS}\u200a“\u200a",
    f"\u200a\u200b👍\u200b quelconque à «\u200a{OURS}\u200a»\u200a",
    f"\u200b😂\u200b to “{OURS}”",
    f"  Liked “{OURS}”  ",
    f"\ufeffLiked\u00a0“{OURS}”\n",
    f"A aimé «\u00a0{OURS}\u00a0»",
    f"A aimé «\u202f{OURS}\u202f»",
    f"\u2068Liked\u2069 \u2068“{OURS}”\u2069",
    f"Liked “{OURS}”.",
    f"LIKED “{OURS}”",
    f"Liked “{OURS.upper()}”",
    f"Liked “Hi!\n\n{OURS}\nhttps://a.example/stop”",
    f"Liked “{OURS}",
    f"Liked “{OURS[:28]}…”",
    "Liked “STOP”",
    "Liked “Our “best” tea. Reply STOP to end”",
    "Liked “5” of rain today. Reply STOP to end”",
    "Liked “Ben’s ‘best’ tea. Text STOP to end”",
    'Liked "Our "best" tea. Reply STOP to end"',
    "Laughed at “Reply YES to get offers, HELP for help, STOP to end”",
    "Loved “unsubscribe”",
    "Loved an image",
    "Loved 3 Images",
    "Emphasized a message",
    "Laughed at a movie",
]

OWN_WORDS = {
    "Liked “your sale”. Now stop texting me": StopRequest(),
    "Liked “your sale”. Now stop “texting” me": StopRequest(),
    "I liked “STOP”, so STOP": StopRequest(),
    "You wrote “Flash sale”. Stop texting me": StopRequest(),
    "😡 stop “Flash sale! 20 percent off everything”": StopRequest(),
    "😡 unsubscribe me from “Flash sale, 20 percent off”": StopRequest(),
    "“please stop texting me”": StopRequest(),
    "pls 🙏 “stop texting me now”": StopRequest(),
    "😡 “stop texting me now”": StopRequest(),
    '"STOP"': Stop("en"),
    "«STOP»": Stop("en"),
    "「停止」": Stop("ja"),
    "“HELP”": Help("en"),
    "‘START’": Start("en"),
    "Liked it, thank you": Plain(),
    "I liked the “Ceylon” one": Plain(),
    "Loved your “tea for two”": Plain(),
    "J’ai adoré « le thé »": Plain(),
    "Ich mag „Earl Grey“ sehr": Plain(),
    "What does “flash sale” mean?": Plain(),
    "Do you have “Earl Grey”? 😂": Plain(),
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("text", REACTIONS + WITH_INVISIBLE)
def test_a_reaction_is_no_opt_out_in_any_mode_and_language(text: str, mode: Mode) -> None:
    assert classify(text, mode, pending_opt_in=True, keywords=frozenset({"JOIN"})) == Plain(tapback=True)


@pytest.mark.parametrize(("text", "meaning"), OWN_WORDS.items())
def test_a_reaction_with_additional_words_is_an_ordinary_message(text: str, meaning: object) -> None:
    assert classify(text, "smart") == meaning


@pytest.mark.parametrize("text", ["I said “STOP”", "No “STOP” no", "Liked “your sale”. Now stop “texting” me"])
def test_in_mode_contains_a_keyword_in_the_persons_own_quotation_stops(text: str) -> None:
    assert classify(text, "contains") == Stop("en", with_text=True)


@pytest.mark.parametrize(
    "text", ["“" * 1600, "liked “" * 220, "“a”" * 500, "'" * 1600, "„“" * 800, "Liked “" + "a”“" * 500, "\u200a“" * 800]
)
def test_a_text_full_of_quotation_marks_is_parsed_quickly(text: str) -> None:
    started = time.thread_time()
    for mode in MODES:
        classify(text, mode)
    assert time.thread_time() - started < 0.25
