"""What a visitor's and an agent's message does to thread and ticket, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.errors import Conflict, NotFound, Refused
from server.inbox.actions import Outgoing
from server.inbox.drafts import Draft
from server.schema import contacts, drafts, threads, tickets, timeline, visitors
from server.threads import rules
from server.webchat.actions import VisitorInfo
from tests.world import World, at_once, is_dense, numbered, publicly_numbered

# --- a customer's first message creates the ticket -----------------------------------------------


async def test_inb_3_the_first_message_creates_one_ticket_open_and_unread(world: World) -> None:
    zoe = await world.visitor()
    written = await zoe.says("Where is my parcel?")
    assert (written.ticket.status, written.ticket.unread, written.ticket.channel) == ("open", True, "webchat")
    assert written.ticket == await world.ticket(written.ticket)
    assert await world.count(tickets) == 1


async def test_inb_2_every_further_message_joins_the_same_ticket(world: World) -> None:
    zoe, ticket = await world.conversation("One")
    assert (await zoe.says("Two")).ticket.id == ticket.id
    assert [entry.body for entry in await zoe.entries()] == ["One", "Two"]


async def test_inb_2_two_visitors_have_two_contacts_and_two_tickets(world: World) -> None:
    _, first = await world.conversation()
    _, second = await world.conversation()
    assert first.contact != second.contact and first.id != second.id


async def test_inb_5_the_welcome_is_stored_as_the_first_entry_when_the_visitor_writes(world: World) -> None:
    """VIS-1: the thread has the order that the visitor saw: the welcome, then their own message."""
    zoe = await world.visitor()
    zoe.welcome = "Hi! How can we help?"
    assert await zoe.view() is None and await world.count(threads) == 0
    await zoe.says("My parcel?")
    await zoe.says("Hello?")
    results = await zoe.entries()
    assert [entry.body for entry in results] == ["Hi! How can we help?", "My parcel?", "Hello?"]
    assert results[0].data["origin"] == "welcome" and results[0].author_type == "system"
    assert is_dense(publicly_numbered(results))


async def test_inb_6_the_team_cannot_write_to_anybody_who_has_not_written_first(world: World) -> None:
    ana = await world.agent("ana")
    with pytest.raises(NotFound):
        await ana.replies(1, "Buy something?")
    assert await world.count(threads) == 0


async def test_inb_10_a_chat_can_always_be_answered_and_inb_58_the_first_reply_assigns_it(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    zoe, ticket = await world.conversation()
    assert ticket.assignee is None and ticket.waiting_since == world.now
    answered = (await ana.replies(zoe, "One moment.")).ticket
    assert (answered.assignee, answered.waiting_since, answered.unread) == (ana.id, None, False)
    assert (await ben.replies(zoe, "Me too.")).ticket.assignee == ana.id


async def test_waiting_counts_from_the_oldest_unanswered_message(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    await world.advance(minutes=2)
    assert (await zoe.says("Still there?")).ticket.waiting_since == ticket.waiting_since
    await ana.replies(zoe, "Yes.")
    await world.advance(minutes=2)
    assert (await zoe.says("Good.")).ticket.waiting_since == world.now


async def test_inb_56_several_messages_in_a_row_with_emoji(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation()
    for text in ("First 👋", "second 🎁🎉", "third"):
        await ana.replies(zoe, text)
    assert [entry.body for entry in await zoe.entries()][1:] == ["First 👋", "second 🎁🎉", "third"]


async def test_inb_51_each_message_shows_direction_kind_and_time(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation("Question")
    await world.advance(minutes=3)
    await ana.replies(zoe, "Answer")
    question, answer = [entry.for_agents() for entry in await world.entries(ticket.thread)]
    assert question["author"]["type"] == "visitor" and question["at"] == "2026-11-21T09:00:00.000Z"
    assert answer["author"] == {"type": "agent", "id": ana.id, "name": "Ana"}
    assert answer["at"] == "2026-11-21T09:03:00.000Z"
    assert question["data"]["origin"] == answer["data"]["origin"] == "chat"


async def test_a_visitor_sees_the_agents_name_but_no_internal_id(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ticket = await world.conversation("Question")
    await ana.replies(zoe, "Answer")
    for entry in await zoe.entries():
        wire = entry.for_visitor()
        assert "id" not in wire["author"] and set(wire) <= {"seq", "kind", "author", "text", "data", "at", "key", "ref"}
    assert (await zoe.entries())[-1].for_visitor()["author"] == {"type": "agent", "name": "Ana"}
    assert "key" not in (await zoe.entries())[-1].for_visitor(), "a visitor must not see an agent's client key"


# --- invalid messages -----------------------------------------------------------------------------


@pytest.mark.parametrize("nothing", ["", "   ", "\n\t ", "\u200b\u200d\ufeff", "\u0301\u0302", "\0\0"])
async def test_an_empty_message_is_refused_and_stores_nothing(world: World, nothing: str) -> None:
    zoe = await world.visitor()
    with pytest.raises(Refused) as refused:
        await zoe.says(nothing)
    assert refused.value.code == "empty_message"
    assert await world.count(visitors) == await world.count(threads) == await world.count(contacts) == 0


async def test_a_message_that_is_too_long_is_refused_whole(world: World) -> None:
    zoe = await world.visitor()
    with pytest.raises(Refused) as refused:
        await zoe.says("x" * (rules.MAX_TEXT + 1))
    assert refused.value.code == "too_long" and await world.count(threads) == 0
    assert (await zoe.says("x" * rules.MAX_TEXT)).entry


async def test_a_nul_character_is_left_out_on_both_databases(world: World) -> None:
    zoe, _ = await world.conversation("a\0b")
    assert [entry.body for entry in await zoe.entries()] == ["ab"]


# --- the order of a thread ------------------------------------------------------------------------


async def test_sequences_are_dense_and_notes_leave_no_gap_in_what_the_visitor_counts(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation("1")
    for text in ("note", "reply", "note", "note"):
        await (ana.notes if text == "note" else ana.replies)(zoe, text)
    await zoe.says("2")
    await ana.assigns(zoe, ana)
    await ana.assigns(zoe, None)
    await zoe.says("3")
    team_entries, visitor_entries = await world.entries(ticket.thread), await zoe.entries()
    assert is_dense(numbered(team_entries)) and is_dense(publicly_numbered(visitor_entries))
    assert len(team_entries) > len(visitor_entries), "the test needs private entries between the public ones"
    assert [entry.body for entry in visitor_entries] == ["1", "reply", "2", "3"]
    ticket_after = await world.ticket(ticket)
    assert (ticket_after.last_seq, ticket_after.last_public_seq) == (len(team_entries), len(visitor_entries))


async def test_sequences_stay_dense_under_many_writers_of_one_thread(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    zoe, ticket = await world.conversation()
    results = await at_once(
        *(zoe.says(f"zoe {n}") for n in range(15)),
        *(ana.replies(ticket, f"ana {n}") for n in range(15)),
        *(ben.notes(ticket, f"ben {n}") for n in range(15)),
        *(ana.assigns(ticket, ben if n % 2 else ana) for n in range(6)),
    )
    assert not [error for error in results if isinstance(error, BaseException)]
    team_entries = await world.entries(ticket.thread)
    assert is_dense(numbered(team_entries)) and is_dense(publicly_numbered(await zoe.entries()))
    assert len([entry for entry in team_entries if entry.kind in ("message", "note")]) == 46


async def test_a_tickets_rev_rises_with_every_change_of_its_summary(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    revs = [ticket.rev]
    for change in (
        lambda: zoe.says("More"),
        lambda: ana.replies(zoe, "Yes"),
        lambda: ana.notes(zoe, "Careful"),
        lambda: ana.marks_unread(zoe),
        lambda: ana.reads(zoe),
        lambda: ana.assigns(zoe, None),
        lambda: zoe.has_seen(3),
        lambda: zoe.introduces(email="zoe@example.com"),
        lambda: ana.closes(zoe),
        lambda: ana.undoes_close(zoe),
        lambda: ana.closes_for_good(zoe),
    ):
        await change()
        revs.append((await world.ticket(ticket)).rev)
    assert revs == sorted(set(revs)), "a change did not raise the rev"


# --- client keys ----------------------------------------------------------------------------------


async def test_the_same_key_and_body_is_the_same_entry(world: World) -> None:
    zoe = await world.visitor()
    first = await zoe.says("Once", key="key-aaaa")
    repeat = await zoe.says("Once", key="key-aaaa")
    assert repeat.repeated and repeat.entry == first.entry
    assert len(await zoe.entries()) == 1


async def test_the_same_key_with_another_body_is_a_conflict_and_changes_nothing(world: World) -> None:
    zoe = await world.visitor()
    await zoe.says("Once", key="key-aaaa")
    with pytest.raises(Conflict) as refused:
        await zoe.says("Twice", key="key-aaaa")
    assert refused.value.code == "idempotency_conflict"
    assert [entry.body for entry in await zoe.entries()] == ["Once"]


async def test_a_repeat_is_recognised_by_the_text_as_sent_not_as_cleaned(world: World) -> None:
    zoe = await world.visitor()
    await zoe.says("Once\0", key="key-aaaa")
    assert (await zoe.says("Once\0", key="key-aaaa")).repeated
    with pytest.raises(Conflict):
        await zoe.says("Once", key="key-aaaa")


async def test_two_visitors_may_use_the_same_key(world: World) -> None:
    zoe, yan = await world.visitor(), await world.visitor()
    await zoe.says("Zoe", key="key-aaaa")
    assert not (await yan.says("Yan", key="key-aaaa")).repeated


async def test_concurrent_repeats_of_a_first_message_create_one_chat(world: World) -> None:
    zoe = await world.visitor()
    results = await at_once(*(zoe.says("Once", key="key-aaaa") for _ in range(12)))
    assert {written.entry.seq for written in results} == {1}
    assert sum(not written.repeated for written in results) == 1
    for table in (contacts, visitors, threads, tickets, timeline):
        assert await world.count(table) == 1, table.name


async def test_concurrent_repeats_of_a_reply_create_one_entry(world: World) -> None:
    ana = await world.agent("ana")
    _zoe, ticket = await world.conversation()
    results = await at_once(*(ana.replies(ticket, "Once", key="key-aaaa") for _ in range(12)))
    assert {written.entry.seq for written in results} == {2} and sum(not w.repeated for w in results) == 1


async def test_a_replys_key_used_for_another_ticket_is_a_conflict(world: World) -> None:
    ana = await world.agent("ana")
    _, first = await world.conversation()
    _, second = await world.conversation()
    await ana.replies(first, "Same words", key="key-aaaa")
    with pytest.raises(Conflict):
        await ana.replies(second, "Same words", key="key-aaaa")
    assert len(await world.entries(second.thread)) == 1


async def test_a_replys_key_used_for_a_note_is_a_conflict(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation()
    await ana.notes(zoe, "Same words", key="key-aaaa")
    with pytest.raises(Conflict):
        await ana.replies(zoe, "Same words", key="key-aaaa")
    assert not await zoe.sees("Same words")


async def test_a_key_is_the_authors_own_so_two_agents_may_use_the_same(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    zoe, _ = await world.conversation()
    await ana.replies(zoe, "Ana", key="key-aaaa")
    assert not (await ben.replies(zoe, "Ben", key="key-aaaa")).repeated


@pytest.mark.parametrize("act", ["closes", "reopens", "assigns"])
async def test_a_key_used_for_a_reply_is_refused_for_any_other_action(world: World, act: str) -> None:
    """The client must learn that its action was not done: neither silence nor an endless "busy" tells it that."""
    ana = await world.agent("ana")
    sms = await world.sms_ticket()
    if act == "reopens":
        await ana.closes(sms)
    await ana.notes(sms, "Something", key="key-aaaa")
    ticket_before = await world.ticket(sms)
    with pytest.raises(Conflict) as refused:
        if act == "assigns":
            await ana.assigns(sms, ana, key="key-aaaa")
        else:
            await getattr(ana, act)(sms, key="key-aaaa")
    assert refused.value.code == "idempotency_conflict" and await world.ticket(sms) == ticket_before


async def test_a_key_used_for_a_message_cannot_end_the_chat(world: World) -> None:
    zoe, ticket = await world.conversation()
    await zoe.says("Words", key="key-aaaa")
    for act in (zoe.ends(key="key-aaaa"), zoe.introduces(name="Zoe", key="key-aaaa")):
        with pytest.raises(Conflict):
            await act
    assert (await world.ticket(ticket)).status == "open"


async def test_a_late_repeat_of_a_close_does_not_close_what_was_reopened_since(world: World) -> None:
    ana = await world.agent("ana")
    sms = await world.sms_ticket()
    await ana.closes(sms, key="key-aaaa")
    await ana.reopens(sms, key="key-bbbb")
    assert (await ana.closes(sms, key="key-aaaa")).status == "open"
    await ana.closes(sms, key="key-cccc")
    assert (await ana.reopens(sms, key="key-bbbb")).status == "closed"


async def test_assigning_twice_with_one_key_is_done_once_and_with_another_colleague_is_a_conflict(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    zoe, ticket = await world.conversation()
    await ana.assigns(zoe, ben, key="key-aaaa")
    await ana.assigns(zoe, None)
    assert (await ana.assigns(zoe, ben, key="key-aaaa")).assignee is None, "a late repeat changes nothing"
    with pytest.raises(Conflict):
        await ana.assigns(zoe, ana, key="key-aaaa")
    assert [entry.kind for entry in await world.entries(ticket.thread)] == ["message", "assigned", "assigned"]


async def test_a_reply_repeated_after_the_chat_ended_is_still_the_same_reply(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    first = await ana.replies(zoe, "Bye", key="key-aaaa")
    await ana.closes_for_good(zoe)
    repeat = await ana.replies(ticket, "Bye", key="key-aaaa")
    assert repeat.repeated and repeat.entry == first.entry


# --- identity ---------------------------------------------------------------------------------------


async def test_one_identified_visitor_on_two_devices_has_one_conversation(world: World) -> None:
    phone = await world.visitor(identity="customer-7", name="Zoe Q")
    desk = await world.visitor(identity="customer-7", name="Zoe Q")
    results = await at_once(phone.says("From the phone"), desk.says("From the desk"))
    assert len({written.ticket.id for written in results}) == 1
    assert {entry.body for entry in await desk.entries()} == {"From the phone", "From the desk"}
    assert await world.count(contacts) == 1
    ticket = await phone.ticket()
    assert ticket.verified and ticket.contact_name == "Zoe Q"


async def test_a_signed_identity_takes_precedence_over_typed_data(world: World) -> None:
    zoe = await world.visitor(identity="customer-7", name="Zoe Q")
    await zoe.says("Hello")
    await zoe.introduces(name="Somebody Else", email="typed@example.com")
    ticket = await zoe.ticket()
    assert ticket.contact_name == "Zoe Q" and ticket.verified


async def test_a_typed_email_selects_no_existing_contact(world: World) -> None:
    """IDN-1: identity comes from a signed token only; the agent sees who it might be."""
    customer = await world.visitor(identity="customer-7", name="Zoe Q")
    customer.info = VisitorInfo(name="Zoe Q", email="zoe@example.com")
    real_ticket = (await customer.says("Hello")).ticket
    stranger, ticket = await world.conversation()
    await stranger.introduces(email="zoe@example.com")
    ticket = await world.ticket(ticket)
    assert ticket.contact != real_ticket.contact and not ticket.verified
    assert ticket.contact_email == "zoe@example.com"
    from server.inbox import details

    _, maybe, _ = await world.app.read(details.details, ticket)
    assert [brief.id for brief in maybe] == [real_ticket.contact]


@pytest.mark.parametrize("name", ["Support Team", "ana", "ANA", "Ａｎａ", "support\u200b", "Threadline"])
async def test_a_visitor_cannot_take_the_teams_name(world: World, name: str) -> None:
    zoe, _ = await world.conversation()
    with pytest.raises(Refused) as refused:
        await zoe.introduces(name=name)
    assert refused.value.code == "reserved_name" and refused.value.field == "name"
    assert (await zoe.ticket()).contact_name == ""


async def test_invisible_characters_are_removed_from_a_name(world: World) -> None:
    zoe, _ = await world.conversation()
    await zoe.introduces(name="Zo\u200be\ufeff")
    assert (await zoe.ticket()).contact_name == "Zoe"


async def test_name_and_email_typed_before_the_first_message_are_stored_with_it(world: World) -> None:
    zoe = await world.visitor()
    zoe.info = VisitorInfo(typed_name="Zoe", typed_email="zoe@example.com", page_url="https://shop.example/cart")
    ticket = (await zoe.says("Hello")).ticket
    assert (ticket.contact_name, ticket.contact_email) == ("Zoe", "zoe@example.com")
    assert [entry.kind for entry in await zoe.entries()] == ["contact", "message"]
    assert is_dense(publicly_numbered(await zoe.entries()))


# --- files ------------------------------------------------------------------------------------------


async def test_a_reply_with_a_file_shows_it_to_the_visitor(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation()
    token = await ana.uploads(b"%PDF-1.4 ...", "invoice.pdf")
    written = await ana.replies(zoe, "", files=(token,))
    assert written.entry.body == "" and written.ticket.preview == "📎"
    visible_files = (await zoe.entries())[-1].for_visitor()["data"]["files"]
    assert [(file["token"], file["name"]) for file in visible_files] == [(token, "invoice.pdf")]


async def test_only_the_uploader_of_a_file_can_send_it(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    zoe, _ = await world.conversation()
    yan, _ = await world.conversation()
    of_ana, of_yan = await ana.uploads(b"secret"), await yan.uploads(b"private")
    count_before = len(await zoe.entries())
    for other_person, token in ((ben, of_ana), (ana, of_yan)):
        with pytest.raises(NotFound):
            await other_person.replies(zoe, "Look", files=(token,))
    for token in (of_ana, of_yan, "x" * 32):
        with pytest.raises(NotFound):
            await zoe.says("Look", files=(token,))
    assert len(await zoe.entries()) == count_before, "a message whose file is missing must not be stored"


async def test_a_file_belongs_to_one_conversation_only(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation()
    yan, _ = await world.conversation()
    token = await ana.uploads(b"for zoe")
    await ana.replies(zoe, "Yours", files=(token,))
    with pytest.raises(NotFound):
        await ana.replies(yan, "Not yours", files=(token,))


async def test_a_file_of_a_note_is_not_public_until_it_is_sent(world: World) -> None:
    from server.files import rows

    ana = await world.agent("ana")
    zoe, _ = await world.conversation()
    token = await ana.uploads(b"internal")
    await ana.notes(zoe, "See", files=(token,))
    assert not (await world.app.read(rows.files, [token]))[token].public
    await ana.replies(zoe, "See", files=(token,))
    assert (await world.app.read(rows.files, [token]))[token].public


async def test_the_same_words_with_another_file_are_another_message(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation()
    first, second = await ana.uploads(b"one"), await ana.uploads(b"two")
    await ana.replies(zoe, "Look", key="key-aaaa", files=(first,))
    with pytest.raises(Conflict):
        await ana.replies(zoe, "Look", key="key-aaaa", files=(second,))


# --- drafts ---------------------------------------------------------------------------------------


async def test_a_draft_belongs_to_its_agent_and_is_deleted_when_sent(world: World) -> None:
    ana, ben = await world.agent("ana"), await world.agent("ben")
    zoe, ticket = await world.conversation()
    await ana.drafts(zoe, "Dear Zo")
    await ana.drafts(zoe, "Dear Zoe,", "note")
    assert [(d.ticket, d.body, d.mode) for d in await ana.my_drafts()] == [(ticket.id, "Dear Zoe,", "note")]
    assert await ben.my_drafts() == []
    await ben.replies(zoe, "Hello")
    assert len(await ana.my_drafts()) == 1, "a colleague's reply must not delete the agent's own draft"
    await ana.replies(zoe, "Dear Zoe, hello")
    assert await ana.my_drafts() == []


async def test_a_draft_stays_when_the_reply_is_refused(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    await ana.drafts(zoe, "Too late")
    await ana.closes_for_good(zoe)
    with pytest.raises(Conflict):
        await ana.replies(ticket, "Too late")
    assert [draft.body for draft in await ana.my_drafts()] == ["Too late"]


async def test_an_emptied_draft_is_deleted_and_one_for_a_missing_ticket_is_refused(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation()
    await ana.drafts(zoe, "Dear")
    await ana.drafts(zoe, "  ")
    assert await ana.my_drafts() == []
    with pytest.raises(NotFound):
        await ana.drafts(4711, "Dear")


async def test_a_draft_based_on_an_older_revision_is_refused_with_the_newer_one(world: World) -> None:
    ana = await world.agent("ana")
    zoe, ticket = await world.conversation()
    first = await ana.drafts(zoe, "Dear", rev=0)
    second = await ana.drafts(zoe, "Dear Zoe", "note", rev=first.draft.rev)
    assert first.stored and second.stored and second.draft.rev > first.draft.rev
    for late in (0, first.draft.rev, second.draft.rev + 1):
        refused = await ana.drafts(zoe, "late", rev=late)
        assert not refused.stored and refused.draft == second.draft
    (draft,) = await ana.my_drafts()
    assert draft == second.draft == Draft(ticket.id, "Dear Zoe", "note", second.draft.rev, world.now)


async def test_a_late_write_does_not_bring_back_a_draft_that_was_sent_or_deleted(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation()
    draft = (await ana.drafts(zoe, "On its way")).draft
    await ana.replies(zoe, "On its way", draft=draft.rev)
    refused = await ana.drafts(zoe, "On its wa", rev=draft.rev)
    assert not refused.stored and refused.draft.body == "" and refused.draft.rev > draft.rev
    later_draft = (await ana.drafts(zoe, "Anything else?", rev=refused.draft.rev)).draft
    deleted = (await ana.drafts(zoe, "", rev=later_draft.rev)).draft
    assert not (await ana.drafts(zoe, "Anything el", rev=later_draft.rev)).stored
    assert (await ana.drafts(zoe, "Bye", rev=deleted.rev)).stored


async def test_a_reply_that_leaves_late_does_not_take_the_next_draft_along(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation()
    sent = (await ana.drafts(zoe, "One moment")).draft
    newer = (await ana.drafts(zoe, "It is blue", rev=sent.rev)).draft
    await ana.replies(zoe, "One moment", draft=sent.rev)
    assert await ana.my_drafts() == [newer]


async def test_of_two_first_drafts_at_once_one_is_kept_and_the_other_gets_it(world: World) -> None:
    ana = await world.agent("ana")
    zoe, _ = await world.conversation()
    results = await at_once(*(ana.drafts(zoe, text, rev=0) for text in ("one", "two", "three")))
    assert sorted(result.stored for result in results) == [False, False, True]
    assert len({result.draft.body for result in results}) == 1


async def test_emptied_drafts_are_forgotten_after_a_month(world: World) -> None:
    ana = await world.agent("ana")
    for number in range(2):
        zoe, _ = await world.conversation()
        await ana.drafts(zoe, "Dear")
        await ana.drafts(zoe, "")
        assert await world.count(drafts) == 1, number
        world.clock.advance(timedelta(days=31))


async def test_a_reply_to_a_ticket_that_does_not_exist_is_not_found(world: World) -> None:
    ana = await world.agent("ana")
    with pytest.raises(NotFound):
        await ana.world.app.write(
            __import__("server.inbox.actions", fromlist=["x"]).write_message,
            ana.agent,
            Outgoing(4711, "key-aaaa", "Hi"),
        )


async def test_a_name_typed_before_the_first_message_cannot_be_an_agents_either(world: World) -> None:
    ana = await world.agent("ana")
    zoe = await world.visitor()
    zoe.info = VisitorInfo(typed_name=ana.agent.name.upper(), typed_email="zoe@example.com")
    await zoe.says("Hello")
    ticket = await zoe.ticket()
    assert ticket.contact_name == "" and ticket.contact_email == "zoe@example.com"


@pytest.mark.parametrize("name", ["OIga", "0lga", "O l g a", "Supp0rt", "CustomerSupport", "Служба поддержки"])
async def test_w34_a_visitor_takes_no_name_that_looks_like_the_teams(world: World, name: str) -> None:
    zoe, ticket = await world.conversation()
    with pytest.raises(Refused, match="belongs to the team"):
        await zoe.introduces(name=name)
    first = await world.visitor()
    # typed before the first message, so there was no agent's name to compare it with yet
    first.info = VisitorInfo(typed_name=name)
    await first.says("Hello")
    assert not [entry for entry in await first.entries() if entry.kind == "contact"]
    assert (await world.ticket(ticket)).contact_name == ""
    assert await zoe.introduces(name="Olga Petrova") is not None
