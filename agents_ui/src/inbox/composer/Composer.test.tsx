import { act, fireEvent, screen } from '@testing-library/react'
import userEvent from '@testing-library/user-event'
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { listenToKeys } from '../../ui/shortcuts'
import { api, ApiError } from '../../kernel/api'
import { usePrefs } from '../../kernel/prefs'
import { ticket } from '../../testing/made'
import { show, speakEnglish } from '../../testing/render'
import { Composer } from './Composer'
import { clearDrafts, flushDrafts, forgetDrafts, loadDrafts, useDrafts } from '../data/drafts'
import { sendMessage } from '../data/sending'
import { forgetUploads } from '../data/uploads'

vi.mock('../data/sending', () => ({ sendMessage: vi.fn(), takeBack: vi.fn() }))

beforeAll(speakEnglish)

const box = () => screen.getByRole('textbox')
const pasteFile = (file: File) =>
  fireEvent.paste(box(), { clipboardData: { files: [file], getData: () => '' } })
const type = (text: string) => fireEvent.change(box(), { target: { value: text } })

describe('the composer', () => {
  let deaf: () => void
  beforeEach(async () => {
    const listed = vi.spyOn(api, 'get').mockResolvedValue({ drafts: [] } as never)
    await loadDrafts(7)
    listed.mockRestore()
    deaf = listenToKeys()
    vi.mocked(sendMessage).mockClear()
  })
  afterEach(() => {
    deaf()
    forgetDrafts()
    clearDrafts(7)
    forgetUploads()
  })

  it('does not send when Enter belongs to an input method, also in browsers that report it late', () => {
    show(<Composer ticket={ticket(1)} ref={null} />)
    type('안녕')
    fireEvent.keyDown(box(), { key: 'Enter', keyCode: 229, isComposing: true })
    fireEvent.keyDown(box(), { key: 'Enter', keyCode: 229 })
    expect(sendMessage).not.toHaveBeenCalled()
    fireEvent.keyDown(box(), { key: 'Enter', keyCode: 13 })
    expect(sendMessage).toHaveBeenCalledOnce()
  })

  it('pastes the text of copied cells and rich text, and offers their picture', async () => {
    const upload = vi.spyOn(api, 'upload').mockImplementation(() => new Promise(() => {}))
    show(<Composer ticket={ticket(1, { channel: 'sms' })} ref={null} />)
    const picture = new File(['x'], 'image.png', { type: 'image/png' })
    const paste = (text: string) =>
      fireEvent.paste(box(), { clipboardData: { files: [picture], getData: () => text } })
    expect(paste('Size\tPrice\n42\t19.90'), 'the browser inserts the text').toBe(true)
    expect(upload).not.toHaveBeenCalled()
    await userEvent.click(await screen.findByRole('button', { name: 'Attach picture' }))
    expect(upload).toHaveBeenCalledOnce()

    expect(paste(''), 'a picture alone').toBe(false)
    expect(paste('image.png'), 'a file that was copied in a file manager').toBe(false)
    expect(upload).toHaveBeenCalledTimes(3)
    expect(screen.queryByRole('button', { name: 'Attach picture' })).toBeNull()
  })

  it('sends with Enter and starts a line with Shift+Enter, or sends with Ctrl+Enter if so set', () => {
    show(<Composer ticket={ticket(1)} ref={null} />)
    type('  Hello  ')
    expect(fireEvent.keyDown(box(), { key: 'Enter', shiftKey: true }), 'the browser starts the line').toBe(
      true,
    )
    expect(sendMessage).not.toHaveBeenCalled()
    expect(fireEvent.keyDown(box(), { key: 'Enter' })).toBe(false)
    expect(sendMessage).toHaveBeenCalledWith(
      expect.objectContaining({ id: 1 }),
      'reply',
      'Hello',
      [],
      0,
      false,
    )
    expect(box()).toHaveProperty('value', '')
    fireEvent.keyDown(box(), { key: 'Enter' })
    expect(sendMessage, 'of nothing').toHaveBeenCalledOnce()

    act(() => usePrefs.setState({ sendWith: 'mod-enter' }))
    type('Again')
    expect(fireEvent.keyDown(box(), { key: 'Enter' })).toBe(true)
    expect(sendMessage).toHaveBeenCalledOnce()
    fireEvent.keyDown(box(), { key: 'Enter', ctrlKey: true })
    expect(sendMessage).toHaveBeenCalledTimes(2)
    usePrefs.setState({ sendWith: 'enter' })
  })

  it('shows a text’s segments and credits beside it', async () => {
    const details = { sms: { price: { sms: 2, mms: 5 }, link_start: null } }
    vi.spyOn(api, 'get').mockResolvedValue({ ticket: ticket(1, { channel: 'sms' }), details } as never)
    show(<Composer ticket={ticket(1, { channel: 'sms' })} ref={null} />)
    type('Hello')
    const cost = await screen.findByText(/2 credits/)
    expect(cost.textContent!.replaceAll('\u00a0', ' ')).toBe('5 / 160 · 1 segment · 2 credits')
    expect(box().getAttribute('aria-describedby')).toBe(cost.id)
    type('x'.repeat(161))
    expect(cost.textContent!.replaceAll('\u00a0', ' ')).toBe('161 / 306 · 2 segments · 4 credits')
    type('x'.repeat(1_601))
    fireEvent.keyDown(box(), { key: 'Enter' })
    expect(sendMessage, 'of a text that is too long').not.toHaveBeenCalled()
    await userEvent.click(screen.getByText('Note', { selector: 'label *' }))
    expect(screen.queryByText(/credits/), 'a note costs nothing').toBeNull()
  })

  it('is replaced by the reason where no reply may be sent, and keeps the draft', async () => {
    const view = show(<Composer ticket={ticket(1, { channel: 'sms' })} ref={null} />)
    type('Half a reply')
    const barred = ticket(1, { channel: 'sms', barred: 'opted_out' })
    view.rerender(<Composer ticket={barred} ref={null} />)
    expect(screen.queryByRole('textbox')).toBeNull()
    expect((await screen.findByRole('status')).textContent).toContain('They opted out of texts.')
    expect(screen.getByRole('status').textContent).toContain('Half a reply')
    await userEvent.click(screen.getByRole('button', { name: 'Add note' }))
    expect(document.activeElement).toBe(screen.getByRole('textbox', { name: 'Note' }))
    expect(sendMessage).not.toHaveBeenCalled()
  })

  it('disables Send while a file is being uploaded, and sends without a file that was removed', async () => {
    const uploaded = vi.spyOn(api, 'upload').mockImplementation(() => new Promise(() => {}))
    show(<Composer ticket={ticket(1)} ref={null} />)
    type('Look')
    const picture = new File(['x'], 'image.png', { type: 'image/png' })
    fireEvent.paste(box(), { clipboardData: { files: [picture], getData: () => '' } })
    fireEvent.keyDown(box(), { key: 'Enter' })
    expect(sendMessage).not.toHaveBeenCalled()
    await userEvent.click(await screen.findByRole('button', { name: 'Remove image.png' }))
    expect(uploaded.mock.calls[0]![3]?.aborted).toBe(true)
    fireEvent.keyDown(box(), { key: 'Enter' })
    expect(sendMessage).toHaveBeenCalledWith(expect.anything(), 'reply', 'Look', [], 0, false)
  })

  it('can upload a failed file again, but not a file that the channel does not accept', async () => {
    const stored = { token: 'kept', name: 'image.png', type: 'image/png', size: 1 }
    const uploaded = vi
      .spyOn(api, 'upload')
      .mockRejectedValueOnce(new ApiError(0, 'unreachable', ''))
      .mockResolvedValue(stored as never)
    show(<Composer ticket={ticket(1, { channel: 'sms' })} ref={null} />)
    pasteFile(new File(['x'], 'image.png', { type: 'image/png' }))
    await userEvent.click(await screen.findByRole('button', { name: 'Upload image.png again' }))
    await vi.waitFor(() => expect(useDrafts.getState().byTicket[1]?.files).toEqual([stored]))
    expect(uploaded).toHaveBeenCalledTimes(2)

    pasteFile(new File(['x'], 'list.pdf', { type: 'application/pdf' }))
    expect(await screen.findByRole('button', { name: 'Remove list.pdf' })).toBeTruthy()
    expect(screen.queryByRole('button', { name: 'Upload list.pdf again' })).toBeNull()
    expect(uploaded).toHaveBeenCalledTimes(2)
  })

  it('lets the text field handle dropped text', () => {
    show(<Composer ticket={ticket(1)} ref={null} />)
    expect(fireEvent.drop(box(), { dataTransfer: { files: [] } })).toBe(true)
  })

  it('focuses the text field after a click on Reply or Note', async () => {
    show(<Composer ticket={ticket(1)} ref={null} />)
    await userEvent.click(screen.getByText('Note', { selector: 'label *' }))
    expect(document.activeElement).toBe(screen.getByRole('textbox', { name: 'Note' }))
    await userEvent.click(screen.getByText('Reply', { selector: 'label *' }))
    expect(document.activeElement).toBe(screen.getByRole('textbox', { name: 'Reply' }))
  })

  it('continues an upload while another ticket is open', async () => {
    let arrive!: (stored: unknown) => void
    const uploaded = vi
      .spyOn(api, 'upload')
      .mockImplementation(() => new Promise((done) => (arrive = done as never)))
    const { unmount } = show(<Composer ticket={ticket(1)} ref={null} />)
    const picture = new File(['x'], 'image.png', { type: 'image/png' })
    fireEvent.paste(box(), { clipboardData: { files: [picture], getData: () => '' } })
    unmount()
    expect(uploaded.mock.calls[0]![3]?.aborted).toBe(false)
    arrive({ token: 'kept', name: 'image.png', type: 'image/png', size: 1 })
    await vi.waitFor(() => expect(useDrafts.getState().byTicket[1]?.files).toMatchObject([{ token: 'kept' }]))
    show(<Composer ticket={ticket(1)} ref={null} />)
    expect(screen.getByText('image.png')).toBeTruthy()
  })

  it('asks which draft to keep when another device changed it as well', async () => {
    const newer = { ticket: 1, text: 'from the phone', mode: 'reply', rev: 3, at: '' }
    vi.spyOn(api, 'put').mockResolvedValue({ kept: false, draft: newer } as never)
    show(<Composer ticket={ticket(1)} ref={null} />)
    type('from the desk')
    await flushDrafts()
    expect((await screen.findByRole('status')).textContent).toContain('“from the phone”')
    await userEvent.click(screen.getByRole('button', { name: 'Use that' }))
    expect(box()).toHaveProperty('value', 'from the phone')
    expect(screen.queryByRole('status')).toBeNull()
    expect(document.activeElement).toBe(box())
  })

  it('sends the draft’s revision, so that the server keeps a newer draft', async () => {
    const kept = { ticket: 1, text: 'Hello', mode: 'reply', rev: 4, at: '' }
    vi.spyOn(api, 'put').mockResolvedValue({ kept: true, draft: kept } as never)
    show(<Composer ticket={ticket(1)} ref={null} />)
    type('Hello')
    await flushDrafts()
    await vi.waitFor(() => expect(useDrafts.getState().byTicket[1]?.rev).toBe(4))
    fireEvent.keyDown(box(), { key: 'Enter' })
    expect(sendMessage).toHaveBeenCalledWith(expect.anything(), 'reply', 'Hello', [], 4, false)
  })
})
