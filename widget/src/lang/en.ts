import type { more } from './en-more'

/**
 * What the widget says from the first moment; `en-more.ts` has the rest. Another language is one file with the
 * keys of both; `{…}` is filled in.
 */
export const en = {
  chat: 'Chat with {brand}',
  close: 'Close chat',
  menu: 'More options',
  messages: 'Messages',
  // The head
  hi: 'Hi there',
  online: 'We are here. Ask us anything.',
  away: 'We are away at the moment. Leave a message and we will get back to you.',
  onlineShort: 'Online',
  awayShort: 'Away, but we will answer',
  // Writing
  write: 'Write a message…',
  send: 'Send',
  emoji: 'Emoji',
  attach: 'Attach a file',
  tooLong: '{n} characters too long',
  // Messages
  you: 'You',
  team: 'Team',
  typing: '{name} is typing',
  waiting: 'Sending…',
  waitingOffline: 'Will send when you are back',
  sent: 'Sent',
  seen: 'Seen',
  redacted: 'This message was removed',
  newMessages: 'New messages',
  unread: { one: '{n} unread message', other: '{n} unread messages' } as Record<string, string>,
  emailKept: 'We will also reply to {email}',
  emailNoted: 'We will also reply by e-mail',
  // The end
  endedYou: 'You ended this chat',
  endedTeam: 'This chat has ended',
  fresh: 'Start a new chat',
  // Troubles
  offline: 'You are offline. What you write will be sent when you are back.',
  reconnecting: 'Reconnecting…',
  noStorage: 'This browser blocks storage: this chat lasts until you leave the page.',
  blocked: 'This chat is not available at the moment.',
  signin: 'Please sign in to the shop to chat with us.',
  upgrade: 'There is a newer version of this chat. Please reload the page.',
  // Before the first message
  privacy: 'Privacy policy',
  terms: 'Terms',
}

export type Words = typeof en
export type AllWords = Words & typeof more
