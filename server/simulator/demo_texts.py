"""The demo's SMS conversations. A line begins with `<` customer, `>` team, `>!` a reply that fails, or `#` note; `<+` and
`>+` add a picture."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Texting:
    hours_ago: float
    number: str
    name: str
    lines: tuple[str, ...]
    to: str = "+18885550199"
    agreed: bool = True  # has consented to texts about orders
    agent: int = 1
    closed: bool = False


TEXTS: tuple[Texting, ...] = (
    Texting(0.1, "+12025550150", "Rosa Delgado", ("< Hi, is order #10491 on its way?",)),
    Texting(0.6, "+12025550151", "Jamal Price", ("< Can I still add a mug to my order?", "> Yes! Which colour?", "< The green one please")),
    Texting(1.4, "+12025550152", "", ("< hi do you sell matcha",), agreed=False),
    Texting(2.8, "+12025550153", "Ellen Frost", ("<+ This is how my parcel came, and the teapot is chipped",
                                                "# Second one this month from that pallet.",
                                                ">+ I am so sorry. A new one leaves today, and in a better box.")),
    Texting(5, "+12025550154", "Viktor Hahn", ("< When do you restock the night kettle?", ">! Next Tuesday. Shall we hold one for you?")),
    Texting(8, "+12025550155", "Dana Whitfield", ("< thanks for the quick delivery!", "> Enjoy the tea, Dana!"), agent=2, closed=True),
    Texting(14, "+12025550156", "Noel Abara", ("< Is there a discount for two?", "> LEAF10 takes ten percent off.", "< STOP")),
    Texting(22, "+12025550157", "Ines Moreau", ("< please stop texting me so often",)),
    Texting(30, "+12025550158", "Carl Jensen", ("< STOP",)),
    Texting(49, "+12025550159", "Priscilla Ong", ("< HELP", "< Do you ship to Canada?", "> We do, in five days.", "< great"), closed=True),
)  # fmt: skip
