"""The words that phones write around the message that a reaction quotes, by language. Data for `tapbacks`.

The wording differs between versions of iOS, Google Messages and Samsung Messages, so these are words and not
sentences: all words around a quotation must be here, and at least one in `DONE`. Accents and case do not matter.
Sources: collected texts of Apple phones in English, French, Spanish, Italian, Portuguese, German, Norwegian, Russian,
Ukrainian, Greek, Turkish, Vietnamese, Chinese and Indonesian; for the other languages, the names of the six reactions,
of removing one, and of an emoji.
"""

from __future__ import annotations

# Verbs and names of the reactions.
DONE: dict[str, str] = {
    "en": "liked loved disliked laughed emphasized emphasised questioned reacted removed",
    "de": "gefällt gefiel gefallen liebt liebte geliebt mag mochte gemocht lacht lachte gelacht betont betonte hervorgehoben hebt hob "
    "hinterfragt hinterfragte bezweifelt infrage reagiert reagierte reaktion entfernt entfernte hinzugefügt markiert fragt",
    "fr": "aime adore aimé adoré ri rit rire souligné accentué exclamé insisté interrogé questionné réagi réaction retiré supprimé ajouté "
    "attribué évidence posé",
    "es": "gustó gusta encantó encanta encantado gustado gracioso divirtió rió risa gracia enfatizó destacó exclamó exclamar dudó duda dudar "
    "cuestionó preguntó reaccionó reaccionado reacción sorprende sorprendió quitó quitado eliminó eliminado añadió añadido agregó gustarle "
    "encantarle darle",
    "ca": "agradat encantat rigut emfatitzat reaccionat sorprès suprimit",
    "it": "piace piaciuto adorato amato riso enfatizzato evidenziato sottolineato esclamato dubbio domanda reagito reazione rimosso tolto "
    "aggiunto divertente cuoricino",
    "pt": "amou adorou gostou curtiu riu enfatizou destacou ênfase questionou reagiu reação removeu retirou descurtiu duvidou risada",
    "nl": "vond vindt leuk geweldig lachte lacht moest benadrukte benadrukt twijfel twijfelde reageerde gereageerd reactie verwijderde "
    "verwijderd hartje houdt hield vraagtekens",
    "pl": "polubił polubiła lubi uwielbia uwielbił uwielbiła pokochał pokochała kocha podoba spodobało zaśmiał zaśmiała śmieje rozśmieszyło "
    "podkreślił podkreśliła podkreśla wyróżnił wyróżniła zakwestionował zakwestionowała kwestionuje zareagował zareagowała reakcja usunął "
    "usunęła usunięto dodano znielubił znielubiła",
    "ru": "понравилось понравился нравится посмеялись посмеялся посмеялась смеётся рассмешило отмечено отметил отметила выделено выделил "
    "выделила подчеркнул подчеркнула вопрос реакция отреагировал отреагировала удалено удалена удалил удалила поставлен поставил поставила "
    "полюбил лайк",
    "uk": "сподобалося сподобалось подобається вподобано уподобано вподобав вподобала полюблено засміявся засміялася сміється посміялися "
    "посміялись підкреслено підкреслив виділено виділив відзначено запитання сумніву реакція реакцію відреагував відреагувала вилучено "
    "видалено додано прибрано",
    "sv": "tyckte gillade gillar älskade älskar ogillade ogillar skrattade skrattar betonade betonar framhävde ifrågasatte ifrågasätter reagerade "
    "reaktion tog",
    "no": "likte liker elsket elsker mislikte misliker lo ler fremhevet uthevet understreket reagerte fjernet spørsmålstegn utropstegn satte",
    "da": "elskede elsker synes syntes grinede griner fremhævede understregede betonede reagerede fjernede føjede spørgsmålstegn lide",
    "fi": "tykkäys tykkäsi tykkää tykännyt rakasti rakastaa pitää piti pitänyt nauroi nauraa korosti korostaa painotti kyseenalaisti kyseenalaistaa "
    "reagoi reaktio poisti",
    "cs": "líbilo líbí nelíbí nelíbilo milovaný milované miluje zamiloval smál smála zasmál zasmála zdůrazněno zdůraznil zdůraznila zvýraznil "
    "otázka zpochybnil zpochybnila reagoval reagovala reakce odstraněno odstranil odstranila odstraněn odebrán odebral přidal",
    "sk": "páčilo páči nepáči nepáčilo zvýraznila zdôraznil zdôraznila reagoval reagovala odstránil odstránila odstránené",
    "hu": "szívecske kedveli kedvelte kedvelés tetszik tetszett imádta imádja szereti nevetett nevetés kiemelte kiemelés hangsúlyozta kérdezte "
    "kérdőjel megkérdőjelezte reagált reakció eltávolítva eltávolította",
    "ro": "plăcut apreciat îndrăgit adorat iubit râs evidențiat accentuat subliniat întrebat reacționat reacție eliminat șters",
    "hr": "sviđa svidio svidjelo voli zavolio nasmijao nasmijala smije smijao naglasio naglasila istaknuo upitao doveo reagira reagirao "
    "reagirala reakcija uklonio uklonila uklonjeno",
    "sl": "všeč nasmejal poudaril vprašal odzval odziv odstranil",
    "bg": "харесано харесва харесах харесал реагира реакция премахнато подчерта засмя обича",
    "el": "άρεσε αρέσει αγάπησε λάτρεψε λατρεύει γέλασε γελάει τόνισε αμφισβήτησε αντέδρασε αντίδραση αφαίρεσε αφαιρέθηκε ρώτησε",
    "tr": "beğendi beğenildi beğeniyor beğenmedi beğenilmedi sevdi seviyor sevildi bayıldı güldü gülüyor gülme vurguladı vurgulandı sorguladı "
    "sorgulandı kalp tepki eklendi silindi kaldırdı kaldırıldı",
    "id": "menyukai menyayangi mencintai tertawa menertawakan menekankan mempertanyakan bereaksi menghapus reaksi",
    "vi": "thích cười nhấn nghi tương xóa thả yêu",
    "he": "אהב אהבה אהבו צחק צחקה הדגיש הדגישה הגיב הגיבה הסיר הסירה",
    "ar": "أعجب أعجبه أعجبها أعجبني أحب أحبت ضحك ضحكت أكد أكدت شدد تساءل تساءلت تفاعل تفاعلت أزال أزالت وضع وضعت",
}
# Other words around the quotation.
BESIDE: dict[str, str] = {
    "en": "at to from with a an the like heart dislike laugh exclamation question mark point reaction thumbs up down sticker photomoji emoji "
    "message using",
    "de": "mir nicht mehr hat ein einen ein über auf mit zu zur zum aus von vom bei als in gestellt stellt hervor lachen lacher daumen hoch "
    "runter herz ausrufezeichen fragezeichen nachricht die das den dem der",
    "fr": "a n pas j je s est e de d du des un une la le les son sa mis en sur avec au aux à cœur coeur point points mention pouce bas haut "
    "pose posé question l message exclamation interrogation",
    "es": "le les no ya se ha han por sobre con a de del al una dio hace hizo dejó pareció corazón me signo pregunta interrogación exclamación "
    "pulgar arriba abajo mensaje",
    "ca": "li l ha a amb de cor",
    "it": "ha messo non di da su per con il lo la i gli alla al dal dalla un uno una mi cuore punto punti interrogativo interrogativi "
    "esclamativo esclamativi trova pollice verso giù espresso riso risata messaggio",
    "pt": "de do da com não em a ao o um uma coração ponto pontos deu achou graça gosto interrogação exclamação adicionou polegar cima baixo "
    "mensagem",
    "nl": "om met op aan bij van uit in het een de niet zette zet plaatste plaatst trok heeft duim omhoog omlaag uitroepteken uitroeptekens "
    "vraagteken lach lachen gaf voegde toe toegevoegd liefde bericht",
    "pl": "się nie z ze na o od do a ęła serce serduszko polubienie śmiech wykrzyknik okrzyk znak zapytania pytajnik znielubienie dodał dodała "
    "reakcję wiadomości wiadomość zaznaczył zaznaczyła jako",
    "ru": "очень не над на к из от с со а ась лось сердце сердечко больше восклицательный вопросительный знак дизлайк смех сообщение сообщения "
    "добавлена добавил добавила под вызвало вызвал",
    "uk": "дуже не над на до з із зі від щодо про піддає під сердечко серце знак питання оклику лайк дизлайк сміх повідомлення а",
    "sv": "om åt med på från ett en hjärta skratt utropstecken frågetecken bort inte längre tumme upp ner till la lade har av meddelandet",
    "no": "ikke lenger ved fra et tommel opp ned av høyt til hjerte latter stilte spørsmål med på",
    "da": "kunne kan godt om ad latter grin ned op tommelfinger udråbstegn stillede hjerte ikke til ved fra et",
    "fi": "ei enää viestiin viestistä viestille sydämen naurun huutomerkin kysymysmerkin peukun alas ylös kohteesta kohteeseen lisäsi",
    "cs": "se si na nad z ze od k s srdce lajk smích vykřičník otazník jsem jako to v palec nahoru dolů",
    "sk": "sa zo srdiečko úsměv výkričník",
    "hu": "erre erről innen ezen ezt a az nem rajta már ezzel neki felkiáltójel következőre üzenetre hozzáadva",
    "ro": "i a de la pe din cu nu o inimă un apreciere semnul exclamării întrebării mesajul",
    "hr": "s sa iz od srce mu joj im ne i u pitanje upitnik uskličnik smijeh poruku",
    "bg": "към на от не сърце с със се",
    "el": "του της μου δεν με σε στο από το η τα για μια καρδιά ένα ερωτηματικό θαυμαστικό γέλιο",
    "tr": "iletisini iletisine iletisi mesajını mesajına mesajı öğesini öğesine için ile verdi verildi bıraktı bir işareti beğeni beğenme "
    "ekledi sildi ifade ifadesini tepkisini tepkisi ünlem soru ı i u ü na ne ya ye a e yı yi dan den olarak işaretledi",
    "id": "terhadap pada dengan dari karena tidak hati suka tawa tanda seru tanya pesan",
    "vi": "đã không bỏ mạnh vấn tác cảm xúc dấu hỏi than trái tim lượt với về vào cho tin khỏi bày tỏ biểu",
    "he": "את על אל עם לא לב מ ב ל ה סימן שאלה קריאה תגובה",
    "ar": "ت على عن مع ب لم لا من إعجابا إعجاب عدم قلب قلبا علامة استفهام تعجب بشدة رسالة",
}
# Stems in languages for which word matching does not work: one of these must occur around the quotation.
UNSPACED = (
    "하트 좋아 싫어 사랑해 사랑합 웃었 웃음 웃겨 강조 물음표 느낌표 반응 공감 이모티콘 리액션 최고예요 별로예요 "
    "いいね よくないね ハート 大好き 好き 嫌い 爆笑 笑 強調 感嘆符 ビックリ びっくり 疑問 はてな ハハ リアクション 反応 スタンプ "
    "喜欢 喜歡 赞 讚 爱 愛 笑 哈哈 强调 強調 惊叹 驚嘆 疑问 疑問 问号 問號 质疑 質疑 回应 回應 反应 反應 踩了 "
    "ถูกใจ ชอบ รัก หัวเราะ ขำ เน้น ตั้งคำถาม ตั้งคําถาม แสดงความรู้สึก पसंद प्यार हँसे हंसे सवाल प्रतिक्रिया ज़ोर"
)
# Names of reactions in languages that quote the name.
LABELS = (
    *"like love haha j'aime j’aime j'adore adoro curti gostei adorei leuk gilla liker tykkään нравится подобається beğen beğendim".split(),
    "ha ha",
    "gefällt mir(?: nicht)?",
    "je n['’]aime pas",
    "j['’]adore",
    "(?:no )?me (?:gusta|encanta)",
    "(?:non )?mi piace",
    "(?:não )?(?:curti|gostei)",
    "vind ik (?:niet )?leuk",
    "kan lide",
    "synes godt om",
    "lubię to",
    "не (?:нравится|подобається)",
    *"좋아요 싫어요 웃겨요 사랑해요 いいね!? よくないね!? 大好き 爆笑 びっくり はてな ハハ 哈哈 赞 讚 喜欢 喜歡".split(),
)
