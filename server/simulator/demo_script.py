"""The demo's chats. A line begins with `<` visitor, `>` team, or `#` note."""

from __future__ import annotations

from dataclasses import dataclass

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
)
SAFARI = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1"
ANDROID = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"


@dataclass(frozen=True)
class Chat:
    hours_ago: float
    lines: tuple[str, ...]
    name: str = ""
    email: str = ""
    page: str = ""
    browser: str = CHROME
    locale: str = "en-US"
    time_zone: str = "America/New_York"
    referrer: str = ""
    agent: int = 1
    ended: str = ""  # "", visitor, agent
    seen: bool = True


CHATS: tuple[Chat, ...] = (
    Chat(0.05, ("< Hi! Does the Moss teapot come with a strainer?",), "Hannah Reed", "", "moss-teapot", IPHONE),
    Chat(0.2, ("< Is the night kettle safe for induction?", "> It is: the base is steel. Up to 2,000 W.", "< Great, and does it whistle? 😄"),
         "Tom Okafor", "tom.okafor@example.com", "night-kettle", CHROME, "en-GB", "Europe/London", "https://www.google.com/"),
    Chat(0.4, ("< Привет! Вы доставляете в Алматы?",), "Алия", "", "delivery", ANDROID, "ru-RU", "Asia/Almaty"),
    Chat(0.7, ("< my order arrived with one cup broken :(", "> Oh no, sorry about that! Could you send the order number?", "< #10482",
               "# Second broken rose cup this week. Packaging?", "> Thank you. A new cup leaves today, no need to send anything back."),
         "Priya Natarajan", "priya@example.com", "rose-cups", SAFARI, "en-IN", "Asia/Kolkata", "", 1),
    Chat(1.1, ("< Czy macie czajniki na prezent z dedykacją?", "> Tak! Dedykację do 40 znaków dodajemy bezpłatnie."),
         "Kasia Lis", "kasia.lis@example.com", "teapots", FIREFOX, "pl-PL", "Europe/Warsaw", "", 2, seen=False),
    Chat(1.6, ("< 혹시 한국으로 배송되나요?", "< 우롱차 두 봉지 주문하고 싶어요"), "김서연", "", "oolong", IPHONE, "ko-KR", "Asia/Seoul"),
    Chat(2.3, ("< What is the difference between spring and autumn oolong?",
               "> Spring is lighter and floral; autumn is rounder, with roasted notes.",
               "> If you like jasmine, begin with spring.", "< perfect, ordering spring!"),
         "Marco Bianchi", "", "oolong", CHROME, "it-IT", "Europe/Rome", "https://www.instagram.com/", 0),
    Chat(3.2, ("< Can I change the delivery address of order 10475?", "# Not shipped yet, checked at 10:40."),
         "Grace Lin", "grace.lin@example.com", "delivery", SAFARI, "en-US", "America/Los_Angeles"),
    Chat(4.5, ("< My string of pearls looks sad. Brown at the top?", "> Usually too much water. Let the soil dry out and move it to brighter light.",
               "< how long until it recovers?", "> Two to three weeks; you can root the healthy strings on top of the soil.", "< thank you so much 🌱"),
         "Ben Carver", "ben@example.com", "string-of-pearls", IPHONE, "en-US", "America/Chicago", "", 1, "visitor"),
    Chat(6, ("< do you have gift cards", "> Yes: $25, $50 and $100, by e-mail within a minute.", "< 👍"),
         "", "", "", ANDROID, "en-US", "America/Denver", "", 1, "agent"),
    Chat(9, ("< Hello, is the mist bottle glass or plastic?", "> Amber glass with a brass pump."), "Sofia Almeida", "", "mist-bottle",
         CHROME, "pt-PT", "Europe/Lisbon", "", 2),
    Chat(20, ("< I was charged twice for order 10460", "> I see one payment and one reservation; the bank lets the second go within three days.",
              "# Checked with payments: only one capture.", "< ok will wait, thanks"),
         "Daniel Kim", "daniel.kim@example.com", "delivery", CHROME, "en-US", "America/New_York", "", 0),
    Chat(24, ("< Do you sell wholesale?", "> We do, from 24 pieces. May I have your e-mail for the list?", "< sure, buyer@teahouse.example"),
         "Elena Petrova", "buyer@teahouse.example", "teapots", FIREFOX, "en-US", "Europe/Berlin", "", 0),
    Chat(27, ("< the discount code AUTUMN does not work", "> It ended on Sunday. Here is one for you: LEAF10.", "< you are the best"),
         "Ruth Adeyemi", "", "moss-teapot", IPHONE, "en-GB", "Europe/London", "", 1, "agent"),
    Chat(31, ("< Is the glaze food safe?", "> Yes, lead and cadmium free, tested every batch."), "Yuki Tanaka", "", "moss-teapot", SAFARI,
         "ja-JP", "Asia/Tokyo", "", 2, "agent"),
    Chat(47, ("< Where is my parcel? It says delivered but I don't have it.", "> Let me ask the carrier, I will be back within the hour.",
              "> They left it with your neighbour at number 12.", "< Found it! Thanks."),
         "Oliver Grant", "oliver@example.com", "delivery", CHROME, "en-GB", "Europe/London", "", 1, "visitor"),
    Chat(52, ("< Как часто поливать монстеру?", "> Раз в 7–10 дней, когда верхние 3 см земли сухие.", "< Спасибо!"),
         "Игорь", "", "plants", ANDROID, "ru-RU", "Europe/Moscow", "", 2, "agent"),
    Chat(70, ("< return label please for order 10411", "> It is in your mail now. Refund within two days after it arrives."),
         "Chloé Martin", "chloe@example.com", "delivery", SAFARI, "fr-FR", "Europe/Paris", "", 1, "agent"),
    Chat(76, ("< Can you ship three plants in one box?", "> Up to five, with heat pack in winter."), "Sam Whitlock", "", "plants", CHROME,
         "en-US", "America/Boise", "", 0, "agent"),
    Chat(96, ("< Does the kettle keep temperature?", "> It holds 80, 90 or 95 degrees for 30 minutes.", "< nice"), "", "", "night-kettle",
         ANDROID, "de-DE", "Europe/Berlin", "", 2, "visitor"),
    Chat(120, ("< Hi, I'd like to cancel order 10390", "> Done; the money is back on your card within three days."), "Amelia Stone",
         "amelia@example.com", "delivery", IPHONE, "en-US", "America/Phoenix", "", 1, "agent"),
    Chat(149, ("< 도자기 잔은 식기세척기에 넣어도 되나요?", "> 네, 상단 칸에서 60도까지 괜찮습니다.", "< 감사합니다"), "박지훈", "", "rose-cups",
         CHROME, "ko-KR", "Asia/Seoul", "", 0, "agent"),
    Chat(170, ("< what's your phone number?", "> We answer here and by e-mail: hello@fern-kettle.example."), "", "", "", CHROME, "en-US",
         "America/New_York", "", 1, "agent"),
    Chat(200, ("< Which teapot for two people?", "> Moss, 0.9 l: four cups.", "< adding to cart"), "Lena Vogel", "", "teapots", FIREFOX,
         "de-AT", "Europe/Vienna", "https://www.pinterest.com/", 2, "visitor"),
    Chat(226, ("< are your bags compostable", "> The inner bag is; the label is paper. Not the zip, sadly.", "# Ask supplier about PLA zips."),
         "Noor Haddad", "noor@example.com", "oolong", SAFARI, "en-CA", "America/Toronto", "", 0, "agent"),
    Chat(250, ("< Is there a shop I can visit?", "> Yes, Tuesday to Saturday 10 to 18, 4 Mill Lane."), "Peter Hall", "", "", CHROME, "en-GB",
         "Europe/London", "", 1, "agent"),
    Chat(281, ("< I love the moss teapot. Just wanted to say.", "> You made our day. Thank you! 💚"), "Isabel Ruiz", "isabel@example.com",
         "moss-teapot", IPHONE, "es-ES", "Europe/Madrid", "", 0, "agent"),
    Chat(310, ("< Czy kubki nadają się do mikrofalówki?", "> Tak, wszystkie poza tymi ze złotym brzegiem.", "< super, dziękuję"), "Piotr Zieliński",
         "", "rose-cups", ANDROID, "pl-PL", "Europe/Warsaw", "", 2, "visitor"),
    Chat(322, ("< Do you restock the 200 ml gaiwan?", "> Early next month. Shall I write to you then?", "< yes please: wei.chen@example.com"),
         "Wei Chen", "wei.chen@example.com", "teapots", CHROME, "en-SG", "Asia/Singapore", "", 1, "agent"),
)  # fmt: skip
