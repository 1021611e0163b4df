import type { more } from './en-more'

/**
 * The texts of the first drawing. `en-more.ts` has the rest, which is loaded before the first drawing only if there already
 * is a conversation or a problem. Each other language is one file with the keys of both; `{…}` is a placeholder.
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
  // Problems; they are here because nothing can be loaded while the connection is lost
  offline: "You are offline. Messages will be sent once you're reconnected.",
  reconnecting: 'Reconnecting…',
  // Before the first message
  privacy: 'Privacy policy',
  terms: 'Terms',
}

export type AllWords = typeof en & typeof more
export type Words = typeof en & Partial<AllWords>
