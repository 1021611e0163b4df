"""Invalid or dangerous link targets in texts (U2, U3, U5, U6, U8).

U9 and U11 (unsubscribe links, tracking pixels) are for email, which does not exist yet.
"""

from __future__ import annotations

HERE = "https://chat.shop.example"

# --- U2: the typed target, and its form in `Location` ----------------------------------------------------

TARGETS: list[tuple[str, str]] = [
    ("https://good.evil", "https://good.evil/"),
    ("HTTPS://Shop.EXAMPLE:443/A?b#c", "https://shop.example/A?b#c"),
    ("http://shop.example:80", "http://shop.example/"),
    ("http://shop.example:8080/x", "http://shop.example:8080/x"),
    ("https://аррӏе.example/", "https://xn--80ak6aa92e.example/"),  # Cyrillic look-alikes are shown in their ASCII form
    ("https://가게.example/차?맛=1", "https://xn--o39akk.example/%EC%B0%A8?%EB%A7%9B=1"),
    ("https://straße.example", "https://xn--strae-oqa.example/"),
    ("www.shop.example/tea", "https://www.shop.example/tea"),
    ("http://127.0.0.1/admin", "http://127.0.0.1/admin"),
    ("http://2130706433/", "http://127.0.0.1/"),
    ("http://0x7f.1/", "http://127.0.0.1/"),
    ("http://0177.0.0.01/", "http://127.0.0.1/"),
    ("http://[::1]:8000/x", "http://[::1]:8000/x"),
    ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]/"),
    ("https://a.example/%0d%0aX", "https://a.example/%0d%0aX"),  # remains an escape, so it ends no header
    ('https://a.example/"<b>`{|}^', "https://a.example/%22%3Cb%3E%60%7B%7C%7D%5E"),
    ("https://a.example/?next=https://b.example/@c", "https://a.example/?next=https://b.example/@c"),
    ("https://a_b.example", "https://a_b.example/"),
    ("http://localhost:3000/x", "http://localhost:3000/x"),
]

# Two programs could read these differently, or they end a header: they are left in the text unshortened.
REFUSED: list[str] = [
    "https://good.example@evil.example/",
    "https://user:secret@shop.example/",
    "https://good.example\\@evil.example/",
    "https://a.example/\r\nSet-Cookie: a=b",
    "https://a.example/\nx",
    "https://a.example/\x00",
    "https://a.example/ b",
    "https://a.example/\u202egnp.exe",
    "https://a.example/\u200b",
    "https://a.example/\ud800",
    "ftp://a.example/",
    "javascript:alert(1)",
    "data:text/html,x",
    "//a.example/",
    "#part",
    "",
    "https://",
    "https:///x",
    "https://.example/",
    "https://a..example/",
    "https://-a.example/",
    "https://a.example:99999/",
    "https://a.example:port/",
    "https://[::1/",
    "https://[v1.x]/",
    "https://[::1]x/",
    "https://good.example[::1]/",
    "https://[fe80::1%eth0]/",
    "http://256.1.1.1/",
    "http://1.2.3.4.5/",
    "http://0x/",
    "http://4294967296/",
    "https://a b.example/",
    "https://a%2eb.example/",
    "https://" + "a" * 64 + "é.example/",
    "https://" + "a." * 130 + "example/",
    "https://a.example/" + "x" * 8192,
    "https://a.example/" + "가" * 2000,  # short enough as typed, too long when encoded
]

# --- U6: links to our own shortener ------------------------------------------------------------------------

OWN: list[tuple[str, bool]] = [
    (f"{HERE}/l/aB3dE6gH", True),
    (f"{HERE}/x/../l/aB3dE6gH", True),
    (f"{HERE}//l/aB3dE6gH", True),
    (f"{HERE}/%6c/aB3dE6gH", True),
    (f"{HERE}/%256c/aB3dE6gH", True),
    ("https://CHAT.shop.example./l/aB3dE6gH", True),
    ("https://go.shop.example/aB3dE6gH", True),
    ("https://go.shop.example/", True),
    (f"{HERE}/inbox", False),
    (f"{HERE}/local/tea", False),
    ("https://other.example/l/aB3dE6gH", False),
    ("https://other.example/?u=https://go.shop.example/aB3dE6gH", False),
]

# A private network may belong to the shop. The server never requests a link's target; it only redirects to it.
PRIVATE: list[str] = [
    "http://127.0.0.1/", "http://10.0.0.1/admin", "http://192.168.1.1/", "http://169.254.169.254/latest/meta-data/", "http://[::1]/",
    "http://[fd00::1]/", "http://localhost/", "http://2130706433/",
]  # fmt: skip

# --- U3: parameters that are open redirects elsewhere --------------------------------------------------------

ELSEWHERE: list[str] = [
    "https://evil.example/", "//evil.example", "/\\evil.example", "\\\\evil.example", "https:evil.example", "javascript:alert(1)",
    "%2F%2Fevil.example", "/%0d%0aLocation:%20https://evil.example", "https://chat.shop.example@evil.example", "data:text/html,x",
]  # fmt: skip
PARAMETERS: tuple[str, ...] = (
    "url",
    "next",
    "redirect",
    "redirect_uri",
    "return",
    "returnTo",
    "continue",
    "dest",
    "target",
    "u",
    "r",
    "goto",
)
ROUTES: tuple[tuple[str, str], ...] = (
    ("GET", "/"), ("GET", "/login"), ("GET", "/signin"), ("GET", "/setup"), ("GET", "/inbox"), ("GET", "/l/{code}"), ("GET", "/l/AAAAAAAA"),
    ("GET", "/demo"), ("GET", "/widget/loader.js"), ("GET", "/widget/frame"), ("GET", "/healthz"), ("GET", "/api/session"),
    ("DELETE", "/api/session"), ("POST", "/api/login"), ("POST", "/api/logout"), ("POST", "/webhooks/twilio/sms"),
    ("GET", "/media/x.png"), ("GET", "/files/x"),
)  # fmt: skip

# --- U5: invalid codes ---------------------------------------------------------------------------------------

CODES: list[str] = [
    "aaaaaaaa", "short", "x" * 9, "aaaa-aaa", "%00aaaaaa", "aaaaaaa%0d", "\uac00\ub098\ub2e4\ub77c\ub9c8\ubc14\uc0ac\uc544", "%2e%2e%2e", "x" * 8_000, "aaaaaaa%20",
    "AAAAAAA\uff21", "%61aaaaaaa%00", "00000000", "aaaaaaaa%2f..", "' OR 1=1", "{code}x", "-{code}",
]  # fmt: skip

# --- U8: headers of a click ----------------------------------------------------------------------------------

CLICKS: dict[str, dict[str, str]] = {
    "user-agent-6-kb": {"user-agent": "Mozilla/5.0 " + "x" * 6_000},
    "user-agent-html": {"user-agent": "Mozilla/5.0 <script>alert(1)</script>"},
    "user-agent-formula": {"user-agent": "=cmd|' /C calc'!A0"},
    "user-agent-odd": {"user-agent": "Mozilla/5.0 \u00e9\u202e"},
    "user-agent-tab": {"user-agent": "Mozilla\t5.0"},
    "referrer-6-kb": {"referer": "https://mail.example/" + "x" * 6_000},
    "referrer-html": {"referer": "https://mail.example/<script>alert(1)</script>"},
    "referrer-javascript": {"referer": "javascript:alert(1)"},
    "referrer-secret": {"referer": "https://mail.example/m?secret=1#token=2"},
}
