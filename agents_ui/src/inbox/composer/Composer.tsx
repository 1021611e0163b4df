import { ActionIcon, Button, Popover, SegmentedControl, Textarea, Tooltip } from '@mantine/core'
import {
  IconBolt,
  IconLink,
  IconMoodSmile,
  IconPaperclip,
  IconPhoto,
  IconPhotoPlus,
  IconSend2,
} from '@tabler/icons-react'
import {
  type ClipboardEvent,
  type DragEvent,
  type KeyboardEvent,
  type Ref,
  useId,
  useImperativeHandle,
  useRef,
  useState,
} from 'react'
import { flushSync } from 'react-dom'
import { useTranslation } from 'react-i18next'
import { lazyPart } from '../../ui/lazyPart'
import { keyCaps } from '../../ui/shortcuts'
import type { TicketOut } from '../../generated/protocol'
import { usePrefs } from '../../kernel/prefs'
import { length } from '../../kernel/text'
import { sayTyping } from '../../live/store'
import { replyBarred } from './replyBarred'
import type { BarredProps } from './Barred'
import type { OtherDraftProps } from './OtherDraft'
import type { PastedPictureProps } from './PastedPicture'
import type { UploadChipsProps } from './UploadChips'
import classes from './Composer.module.css'
import { EMPTY_DRAFT, setDraft, useDrafts } from '../data/drafts'
import type { Mode, Sending } from '../data/outbox'
import { pasted } from './paste'
import { sendMessage, takeBack } from '../data/sending'
import { addUploads, removeUpload, useTicketUploads } from '../data/uploads'
import {
  Meter,
  PICTURE_TYPES,
  pictureProblem,
  Highlights,
  Ucs2Warning,
  measure,
  writingClasses as sms,
} from '../../messaging'
import { useSmsFacts } from '../data/useTicketById'
import { QuickReplyMenu } from '../desk/parts'

/** Loaded after the list and the thread. Meanwhile nothing can be written in its place. */
const Barred = lazyPart<BarredProps>(async () => (await import('./Barred')).Barred, {
  soon: true,
  waiting: ({ children }) => <div className={classes.dock}>{children}</div>,
})

const EmojiPicker = lazyPart(async () => (await import('./EmojiPicker')).default, {
  soon: true,
  waiting: <div className={classes.emojiRoom} />,
})

const additions = () => import('./additions')
const StopAsked = lazyPart<{ ticket: TicketOut }>(async () => (await additions()).StopAsked, { soon: true })
const OtherDraft = lazyPart<OtherDraftProps>(async () => (await additions()).OtherDraft, { soon: true })
const PastedPicture = lazyPart<PastedPictureProps>(async () => (await additions()).PastedPicture, {
  soon: true,
})
const UploadChips = lazyPart<UploadChipsProps>(async () => (await additions()).UploadChips, { soon: true })

/** What is typed after "/" at the start of a reply. */
const SHORTCUT = /^\/([^\s/]*)$/u
const LONGEST = 8_000
const COUNT_FROM = 7_000
const TYPING_EVERY_MS = 3_000

export interface ComposerHandle {
  focus(mode: Mode): void
  /** Moves a failed message back into the composer. */
  edit(item: Sending): void
}

export function Composer({ ticket, ref }: { ticket: TicketOut; ref: Ref<ComposerHandle> }) {
  const { t } = useTranslation()
  const draft = useDrafts((state) => state.byTicket[ticket.id]) ?? EMPTY_DRAFT
  const sendWith = usePrefs((prefs) => prefs.sendWith)
  const box = useRef<HTMLTextAreaElement>(null)
  const picker = useRef<HTMLInputElement>(null)
  const typed = useRef(-Infinity)
  const [emoji, setEmoji] = useState(false)
  // Opened by its button, or closed with Escape for this text.
  const [quick, setQuick] = useState<'open' | 'closed' | null>(null)
  const [quickOption, setQuickOption] = useState<string | null>(null)
  const quickKeys = useRef<(pressed: string) => boolean>(null)
  const [dropping, setDropping] = useState(false)
  const [offered, setOffered] = useState<readonly File[]>([])
  const backdrop = useRef<HTMLDivElement>(null)
  const meterId = useId()
  const errorId = useId()
  const texting = ticket.channel === 'sms' && draft.mode === 'reply'
  const facts = useSmsFacts(ticket)
  const uploads = useTicketUploads(ticket.id)
  const add = (chosen: readonly File[]) => addUploads(ticket.id, chosen, texting ? pictureProblem : undefined)

  const barred = replyBarred(ticket)
  const note = draft.mode === 'note'
  const writing = texting ? measure(draft.text, draft.files.length, facts) : null
  const chars = !texting && draft.text.length > COUNT_FROM ? length(draft.text) : 0
  const tooMany = writing ? writing.over : Math.max(0, chars - LONGEST)
  const pictures = !texting || facts?.price.mms !== null
  const uploading = uploads.some((upload) => upload.state === 'uploading')
  const files = note ? [] : draft.files
  const ready = (draft.text.trim() !== '' || files.length > 0) && tooMany === 0 && !(uploading && !note)

  const typedShortcut = SHORTCUT.exec(draft.text)?.[1]
  const quickQuery =
    note || quick === 'closed' ? undefined : quick === 'open' ? (typedShortcut ?? '') : typedShortcut

  const describedBy = [writing && meterId, tooMany > 0 && errorId].filter(Boolean).join(' ')

  const attach = texting ? t('sms.attach') : t('inbox.attach')
  const setMode = (mode: Mode) => setDraft(ticket.id, { mode })

  /** Renders and focuses at once, so that the next key goes into the text field. */
  function focusOn(mode: Mode) {
    flushSync(() => setMode(mode))
    box.current?.focus()
  }

  useImperativeHandle(ref, () => ({
    focus: focusOn,
    edit(item) {
      const failed = takeBack(item.key)
      if (!failed) return
      const text = [failed.text, draft.text].filter(Boolean).join('\n')
      flushSync(() =>
        setDraft(ticket.id, { text, mode: failed.mode, files: [...failed.files, ...draft.files] }),
      )
      box.current?.focus()
    },
  }))

  function send(reopen = false) {
    if (!ready) return
    sendMessage(ticket, draft.mode, draft.text.trim(), files, draft.rev, reopen)
    setDraft(ticket.id, { text: '', files: note ? draft.files : [] })
    setOffered([])
    typed.current = -Infinity
    box.current?.focus()
  }

  function write(text: string) {
    setDraft(ticket.id, { text })
    if (quick === 'open' || !text.startsWith('/')) setQuick(null)
    // Notes are not shown to the customer, so typing is not announced.
    if (note || !text || performance.now() - typed.current < TYPING_EVERY_MS) return
    typed.current = performance.now()
    sayTyping(ticket.thread)
  }

  function insert(text: string) {
    const area = box.current
    const from = area?.selectionStart ?? draft.text.length
    const to = area?.selectionEnd ?? from
    write(draft.text.slice(0, from) + text + draft.text.slice(to))
    requestAnimationFrame(() => {
      area?.focus()
      area?.setSelectionRange(from + text.length, from + text.length)
    })
  }

  function insertQuick(text: string) {
    if (typedShortcut === undefined) insert(text)
    else {
      write(text)
      requestAnimationFrame(() => {
        box.current?.focus()
        box.current?.setSelectionRange(text.length, text.length)
      })
    }
    setQuick(text.startsWith('/') ? 'closed' : null)
  }

  function onKeyDown(event: KeyboardEvent) {
    if (quickQuery !== undefined && !event.nativeEvent.isComposing && !event.ctrlKey && !event.metaKey) {
      if (event.key === 'Escape') return setQuick('closed')
      if (!event.shiftKey && quickKeys.current?.(event.key)) return event.preventDefault()
    }
    if (event.key === 'Escape') {
      box.current?.blur()
      return
    }
    if (event.key !== 'Enter') return
    const mod = event.ctrlKey || event.metaKey
    if (mod || (sendWith === 'enter' && !event.shiftKey)) {
      event.preventDefault()
      send()
    }
  }

  function onPaste(event: ClipboardEvent) {
    const { files: found, offer } = pasted(event.clipboardData)
    if (note || !pictures || found.length === 0) return
    setOffered(offer ? found : [])
    if (offer) return
    event.preventDefault()
    add(found)
  }

  function onDrop(event: DragEvent) {
    const dropped = [...event.dataTransfer.files]
    setDropping(false)
    // The browser inserts dropped text; only dropped files are attached here.
    if (dropped.length === 0) return
    event.preventDefault()
    if (!note && pictures) add(dropped)
  }

  const stopQuestion = ticket.stop_asked && <StopAsked ticket={ticket} />
  if (barred && !note)
    return (
      <Barred ticket={ticket} reason={barred} draft={draft.text} onNote={() => focusOn('note')}>
        {stopQuestion}
      </Barred>
    )

  return (
    <div className={classes.dock}>
      {stopQuestion}
      {/* An area to drop files on; keyboard users attach files with the paperclip button. */}
      {/* oxlint-disable-next-line jsx-a11y/no-static-element-interactions */}
      <div
        className={classes.box}
        data-note={note || undefined}
        data-over={dropping || undefined}
        data-long={tooMany > 0 || undefined}
        onDragOver={(event) => {
          if (note || !pictures || !event.dataTransfer.types.includes('Files')) return
          event.preventDefault()
          setDropping(true)
        }}
        onDragLeave={() => setDropping(false)}
        onDrop={onDrop}
      >
        {quickQuery !== undefined && (
          <QuickReplyMenu
            ticket={ticket}
            query={quickQuery}
            pictures={files.length}
            keys={quickKeys}
            onActive={setQuickOption}
            onPick={insertQuick}
          />
        )}
        <SegmentedControl
          size="xs"
          className={classes.mode}
          value={draft.mode}
          onChange={(mode) => focusOn(mode as Mode)}
          data={[
            { value: 'reply', label: t('inbox.reply') },
            { value: 'note', label: t('inbox.note') },
          ]}
          aria-label={t('inbox.mode')}
        />
        <div className={classes.writing}>
          {writing && !writing.mms && <Highlights ref={backdrop} text={draft.text} />}
          <Textarea
            ref={box}
            variant="unstyled"
            autosize
            minRows={2}
            maxRows={12}
            value={draft.text}
            onChange={(event) => write(event.currentTarget.value)}
            onKeyDown={onKeyDown}
            onPaste={onPaste}
            onScroll={(event) => {
              if (backdrop.current) backdrop.current.scrollTop = event.currentTarget.scrollTop
            }}
            placeholder={
              note ? t('inbox.notePlaceholder') : texting ? t('sms.placeholder') : t('inbox.replyPlaceholder')
            }
            aria-label={note ? t('inbox.note') : t('inbox.reply')}
            // Mantine would replace a plain `aria-describedby` by the id of the error.
            attributes={{
              input: {
                'aria-describedby': describedBy || undefined,
                'aria-activedescendant': quickOption ?? undefined,
              },
            }}
            classNames={{ input: classes.input! }}
            dir="auto"
            error={tooMany > 0 && t('inbox.tooLong', { count: tooMany })}
            errorProps={{ className: classes.error, id: errorId }}
          />
        </div>
        {!note && draft.files.length + uploads.length > 0 && (
          <UploadChips
            files={draft.files}
            uploads={uploads}
            onRemoveFile={(token) =>
              setDraft(ticket.id, { files: draft.files.filter((file) => file.token !== token) })
            }
            onRemoveUpload={(id) => removeUpload(ticket.id, id)}
          />
        )}
        {draft.other && (
          <OtherDraft ticket={ticket.id} text={draft.other.text} onDone={() => box.current?.focus()} />
        )}
        {offered.length > 0 && !note && pictures && (
          <PastedPicture
            onAttach={() => {
              add(offered)
              setOffered([])
              box.current?.focus()
            }}
            onDismiss={() => {
              setOffered([])
              box.current?.focus()
            }}
          />
        )}
        {writing && (
          <>
            {!writing.mms && <Ucs2Warning text={draft.text} onText={write} />}
            {writing.mms && (
              <div className={sms.strip}>
                <IconPhoto size={16} stroke={1.7} aria-hidden />
                <span className={sms.words}>{t('sms.becomesMms')}</span>
              </div>
            )}
            {writing.links > 0 && (
              <div className={sms.strip}>
                <IconLink size={16} stroke={1.7} aria-hidden />
                <span className={sms.words}>
                  {t('sms.linksShort', { count: writing.links, length: writing.linkLength })}
                </span>
              </div>
            )}
          </>
        )}
        <div className={classes.bar}>
          {!note && (
            <>
              <input
                ref={picker}
                type="file"
                multiple
                accept={texting ? PICTURE_TYPES.join(',') : undefined}
                hidden
                onChange={(event) => {
                  add([...(event.currentTarget.files ?? [])])
                  event.currentTarget.value = ''
                }}
              />
              <Tooltip label={pictures ? attach : t('sms.noMms')}>
                <ActionIcon
                  onClick={() => pictures && picker.current?.click()}
                  aria-disabled={!pictures || undefined}
                  data-disabled={!pictures || undefined}
                  aria-label={attach}
                >
                  {texting ? (
                    <IconPhotoPlus size={18} stroke={1.7} />
                  ) : (
                    <IconPaperclip size={18} stroke={1.7} />
                  )}
                </ActionIcon>
              </Tooltip>
            </>
          )}
          <Popover opened={emoji} onChange={setEmoji} position="top-start" trapFocus returnFocus>
            <Popover.Target>
              <Tooltip label={t('inbox.emoji')} disabled={emoji}>
                <ActionIcon onClick={() => setEmoji(!emoji)} aria-label={t('inbox.emoji')}>
                  <IconMoodSmile size={18} stroke={1.7} />
                </ActionIcon>
              </Tooltip>
            </Popover.Target>
            <Popover.Dropdown p={8} aria-label={t('inbox.emoji')}>
              <EmojiPicker
                onPick={(picked) => {
                  setEmoji(false)
                  insert(picked)
                }}
              />
            </Popover.Dropdown>
          </Popover>
          {texting && (
            <Tooltip label={`${t('inbox.quickReplies')} · /`} disabled={quickQuery !== undefined}>
              <ActionIcon
                onClick={() => {
                  setQuick(quickQuery === undefined ? 'open' : typedShortcut === undefined ? null : 'closed')
                  box.current?.focus()
                }}
                aria-label={t('inbox.quickReplies')}
                aria-expanded={quickQuery !== undefined}
              >
                <IconBolt size={18} stroke={1.7} />
              </ActionIcon>
            </Tooltip>
          )}
          <span className={classes.hint} data-kept={texting || undefined}>
            {writing ? (
              <Meter writing={writing} id={meterId} />
            ) : chars > 0 ? (
              `${chars} / ${LONGEST}`
            ) : (
              t('inbox.sendHint', { keys: hint(sendWith) })
            )}
          </span>
          {ticket.status === 'snoozed' && !note && (
            <Button size="compact-md" variant="default" onClick={() => send(true)} disabled={!ready}>
              {t('inbox.sendReopen')}
            </Button>
          )}
          <Button
            size="compact-md"
            className={classes.send}
            onClick={() => send()}
            disabled={!ready}
            color={note ? 'amber' : 'indigo'}
            rightSection={<IconSend2 size={15} stroke={1.9} />}
          >
            {note ? t('inbox.addNote') : t('inbox.send')}
          </Button>
        </div>
      </div>
    </div>
  )
}

function hint(sendWith: 'enter' | 'mod-enter'): string {
  return sendWith === 'enter' ? 'Enter' : keyCaps('mod+Enter').join(' + ')
}
