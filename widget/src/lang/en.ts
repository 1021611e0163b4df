import type { more } from './en-more'

/**
 * What the widget says from the first moment; `en-more.ts` has the rest, which is there from the first moment too
 * where there already is a conversation or a trouble. Another language is one file with the keys of both; `{…}` is
 * filled in.
 */
export const en = {
  chat: 'Chat with {brand}',
  close: 'Close chat',
  menu: 'More options',
  messages: 'Messages',
  // The head
  hi: 'Hi there',
  online: 'We are here. Ask us anything.',
  away: 'We are away. Leave a message and we will reply.',
  onlineShort: 'Online',
  awayShort: 'Away, but we will reply',
  // Writing
  write: 'Write a message…',
  send: 'Send',
  emoji: 'Emoji',
  // Messages
  you: 'You',
  team: 'Team',
  waiting: 'Sending…',
  sent: 'Sent',
  unread: { one: '{n} unread message', other: '{n} unread messages' } as Record<string, string>,
  // Troubles; a line that is down loads nothing more
  offline: "You are offline. Messages will be sent once you're reconnected.",
  reconnecting: 'Reconnecting…',
  // Before the first message
  privacy: 'Privacy policy',
  terms: 'Terms',
}

export type AllWords = typeof en & typeof more
export type Words = typeof en & Partial<AllWords>
