"""What is wrong with SPF, DKIM and DMARC records, and the exact record to publish."""

from __future__ import annotations

import pytest

from server.delivery.mail_records_rules import Found, check_dkim, check_dmarc, check_spf, dmarc_names, spf_mechanism


@pytest.mark.parametrize(
    ("host", "values", "code", "wanted"),
    [
        ("smtp.sendgrid.net", [], "spf_missing", "v=spf1 include:sendgrid.net ~all"),
        ("mail.shop.example", ["google-site-verification=x"], "spf_missing", "v=spf1 a:mail.shop.example ~all"),
        ("192.0.2.7", [], "spf_missing", "v=spf1 ip4:192.0.2.7 ~all"),
        ("2001:db8::7", [], "spf_missing", "v=spf1 ip6:2001:db8::7 ~all"),
        ("localhost", [], "spf_missing", "v=spf1 a ~all"),
        ("smtp.sendgrid.net", ["v=spf1 include:sendgrid.net -all"], "spf_ok", ""),
        ("smtp.sendgrid.net", ["V=SPF1 mx -all"], "spf_lacks", "v=spf1 mx include:sendgrid.net -all"),
        ("mail.shop.example", ["v=spf1 mx -all"], "spf_unsure", ""),
        ("mail.shop.example", ["v=spf1 a:mail.shop.example ?all"], "spf_ok", ""),
        ("smtp.sendgrid.net", ["v=spf1 redirect=_spf.shop.example"], "spf_unsure", ""),
        ("mail.shop.example", ["v=spf1 mx +all"], "spf_everybody", "v=spf1 mx ~all"),
        ("mail.shop.example", ["v=spf1 all"], "spf_everybody", "v=spf1 ~all"),
        ("smtp.sendgrid.net", ["v=spf1 mx -all", "v=spf1 a -all"], "spf_repeated", "v=spf1 mx a include:sendgrid.net -all"),
        ("smtp.sendgrid.net", ["v=spf10 mx"], "spf_missing", "v=spf1 include:sendgrid.net ~all"),
    ],
)  # fmt: skip
def test_each_fault_of_an_spf_record_is_found(host: str, values: list[str], code: str, wanted: str) -> None:
    check = check_spf(Found("shop.example", values), host)
    assert (check.code, check.wanted) == (code, wanted)
    assert check.state == {"spf_ok": "ok", "spf_unsure": "ok", "spf_missing": "missing"}.get(code, "wrong")


def test_a_provider_is_known_by_the_end_of_its_host_name_only() -> None:
    assert spf_mechanism("email-smtp.eu-west-1.amazonaws.com") == ("include:amazonses.com", True)
    assert spf_mechanism("notsendgrid.net") == ("a:notsendgrid.net", False)


@pytest.mark.parametrize(
    ("public", "values", "state", "code"),
    [
        ("AAA+/=", [], "missing", "dkim_missing"),
        ("AAA+/=", ["v=DKIM1; k=rsa; p=AAA+/="], "ok", "dkim_ok"),
        ("AAA+/=", ["v=DKIM1;k=rsa;p=AA A+/\t="], "ok", "dkim_ok"),
        ("AAA+/=", ["v=DKIM1; k=rsa; p=BBB"], "wrong", "dkim_different"),
        ("AAA+/=", ["v=DKIM1; p="], "wrong", "dkim_revoked"),
        ("AAA+/=", ["p=AAA+/=", "p=BBB"], "wrong", "dkim_different"),
        ("AAA+/=", ["hello"], "missing", "dkim_missing"),
        ("", ["v=DKIM1; p=CCC"], "ok", "dkim_ok"),
        ("", [], "missing", "dkim_relay_missing"),
    ],
)
def test_each_fault_of_a_dkim_record_is_found(public: str, values: list[str], state: str, code: str) -> None:
    check = check_dkim(Found("s._domainkey.shop.example", values), public)
    assert (check.state, check.code) == (state, code)
    assert check.wanted == ("" if state == "ok" or not public else "v=DKIM1; k=rsa; p=AAA+/=")


@pytest.mark.parametrize(
    ("values", "state", "code", "name"),
    [
        ([[], []], "missing", "dmarc_missing", "_dmarc.mail.shop.example"),
        ([["v=DMARC1; p=none"], []], "ok", "dmarc_none", "_dmarc.mail.shop.example"),
        ([[], ["v=DMARC1;p=Reject; rua=mailto:x@y.z"]], "ok", "dmarc_reject", "_dmarc.shop.example"),
        ([["v=DMARC1; sp=none"], ["v=DMARC1; p=none"]], "wrong", "dmarc_policy", "_dmarc.mail.shop.example"),
        ([["v=DMARC1; p=none", "v=DMARC1; p=reject"], []], "wrong", "dmarc_repeated", "_dmarc.mail.shop.example"),
        ([["v=spf1 -all"], []], "missing", "dmarc_missing", "_dmarc.mail.shop.example"),
    ],
)
def test_dmarc_is_looked_for_at_the_domain_and_above(values: list[list[str]], state: str, code: str, name: str) -> None:
    names = dmarc_names("mail.shop.example")
    assert names == ["_dmarc.mail.shop.example", "_dmarc.shop.example"]
    check = check_dmarc([Found(found, texts) for found, texts in zip(names, values, strict=True)])
    assert (check.state, check.code, check.name) == (state, code, name)
    assert check.wanted == {"missing": "v=DMARC1; p=none", "ok": ""}.get(state, "v=DMARC1; p=none")


def test_a_deep_domain_asks_a_bounded_number_of_names() -> None:
    names = dmarc_names(".".join("abcdefghijkl") + ".example")
    assert len(names) == 6 and names[-1] == "_dmarc.l.example"


def test_without_a_response_of_dns_the_records_are_unknown_and_not_wrong() -> None:
    checks = [
        check_spf(Found("x", (), False), "h"),
        check_dkim(Found("x", (), False), ""),
        check_dmarc([Found("x", (), False)]),
    ]
    assert {(check.state, check.code) for check in checks} == {("unknown", "no_answer")}
