"""Webhooks as Twilio sends them: every parameter, in its order, with numbers and ids replaced."""

from __future__ import annotations

from tests.sms import ACCOUNT, PHONE, TOLL_FREE

SID = "SM" + "0a1b2c3d" * 4
MMS = "MM" + "0a1b2c3d" * 4
_PLACE = {
    "ToCountry": "US", "ToState": "", "ToCity": "", "ToZip": "",
    "FromCountry": "US", "FromState": "DC", "FromCity": "WASHINGTON", "FromZip": "20001",
}  # fmt: skip


def text(body: str = "Where is my parcel?", sid: str = SID, **more: str) -> dict[str, str]:
    return {
        "ToCountry": "US", "ToState": "", "SmsMessageSid": sid, "NumMedia": "0", "ToCity": "", "FromZip": "20001",
        "SmsSid": sid, "FromState": "DC", "SmsStatus": "received", "FromCity": "WASHINGTON", "Body": body,
        "FromCountry": "US", "To": TOLL_FREE, "ToZip": "", "NumSegments": "1", "MessageSid": sid, "AccountSid": ACCOUNT,
        "From": PHONE, "ApiVersion": "2010-04-01", **more,
    }  # fmt: skip


def mms(count: int = 2, sid: str = MMS, **more: str) -> dict[str, str]:
    media = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}/Media/ME"
    result = text("", sid, NumMedia=str(count))
    for number in range(count):
        result |= {f"MediaContentType{number}": "image/jpeg", f"MediaUrl{number}": media + f"{number:032x}"}
    return result | more


def opt_out(kind: str, body: str, sid: str = SID) -> dict[str, str]:
    return text(body, sid, OptOutType=kind, MessagingServiceSid="MG" + "1" * 32)


def whatsapp(sid: str = SID) -> dict[str, str]:
    return {
        "SmsMessageSid": sid, "NumMedia": "0", "ProfileName": "Maria", "MessageType": "text", "SmsSid": sid,
        "WaId": PHONE[1:], "SmsStatus": "received", "Body": "Hola", "To": f"whatsapp:{TOLL_FREE}", "NumSegments": "1",
        "ReferralNumMedia": "0", "MessageSid": sid, "AccountSid": ACCOUNT, "ChannelMetadata": '{"type":"whatsapp"}',
        "From": f"whatsapp:{PHONE}", "ApiVersion": "2010-04-01",
    }  # fmt: skip


def status(word: str = "delivered", sid: str = SID) -> dict[str, str]:
    return {
        "SmsSid": sid, "SmsStatus": word, "MessageStatus": word, "To": PHONE, "MessageSid": sid, "AccountSid": ACCOUNT,
        "From": TOLL_FREE, "ApiVersion": "2010-04-01",
    }  # fmt: skip


def call() -> dict[str, str]:
    return {
        "Called": TOLL_FREE, "CallStatus": "ringing", "From": PHONE, "To": TOLL_FREE, "CallSid": "CA" + "1" * 32,
        "AccountSid": ACCOUNT, "Direction": "inbound", "ApiVersion": "2010-04-01", "Caller": PHONE, **_PLACE,
    }  # fmt: skip
