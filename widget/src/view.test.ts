import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { makeView } from './view'
import type { View, ViewCallbacks } from './view'

const names = [
  'close',
  'send',
  'introduce',
  'skipEmail',
  'end',
  'fresh',
  'again',
  'drop',
  'draft',
  'typing',
] as const
const others = ['setSound', 'scrolled', 'older'] as const

const area = () => document.querySelector('textarea')!
const press = (key: string, more: object = {}) =>
  area().dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true, ...more }))

const several = (n: number) => Array.from({ length: n }, (_, i) => new File(['x'], `${i}.png`))
const pasteFiles = (files: File[]) => {
  const event = new Event('paste', { cancelable: true })
  Object.assign(event, { clipboardData: { files, getData: () => '' } })
  area().dispatchEvent(event)
}
const chips = (kind = '') => document.querySelectorAll(`.chip${kind}`).length

describe('the panel', () => {
  let view: View
  let callbacks: Record<(typeof names)[number], ReturnType<typeof vi.fn>>

  beforeEach(() => {
    const mocks = Object.fromEntries([...names, ...others].map((name) => [name, vi.fn()]))
    callbacks = mocks as typeof callbacks
    document.body.innerHTML = '<div id="app"></div>'
    const made = { ...mocks, base: '', headers: () => ({}) } as unknown as ViewCallbacks
    view = makeView(document.getElementById('app')!, made)
    document.querySelector('.place')!.append(view.composer.el)
  })
  afterEach(() => vi.unstubAllGlobals())

  test('ignores keys of an input method, also in browsers that report them late', () => {
    area().value = '안녕'
    area().dispatchEvent(new Event('input'))
    for (const late of [{ isComposing: true }, { keyCode: 229 }]) {
      press('Enter', late)
      press('Escape', late)
    }
    expect(callbacks.send).not.toHaveBeenCalled()
    expect(callbacks.close).not.toHaveBeenCalled()
    press('Enter')
    expect(callbacks.send).toHaveBeenCalledWith('안녕', [])
    press('Escape')
    expect(callbacks.close).toHaveBeenCalledOnce()
  })

  test('pastes the text of copied cells and rich text, and offers their picture', async () => {
    view.composer.render(true)
    const fetched = vi.fn(() => new Promise(() => {}))
    vi.stubGlobal('fetch', fetched)
    const picture = new File(['x'], 'image.png', { type: 'image/png' })
    const paste = (text: string) => {
      const event = new Event('paste', { cancelable: true })
      Object.assign(event, { clipboardData: { files: [picture], getData: () => text } })
      return area().dispatchEvent(event)
    }
    expect(paste('Size\tPrice'), 'the browser inserts the text').toBe(true)
    const offer = await vi.waitFor(() => {
      const button = document.querySelector<HTMLElement>('.chip .retry')
      expect(button?.textContent).toBe('Also attach the picture')
      return button!
    })
    expect(fetched).not.toHaveBeenCalled()
    offer.click()
    await vi.waitFor(() => expect(fetched).toHaveBeenCalledOnce())
    expect(document.querySelectorAll('.chip')).toHaveLength(1)

    expect(paste(''), 'a picture alone').toBe(false)
    expect(paste('image.png'), 'a file that was copied in a file manager').toBe(false)
    await vi.waitFor(() => expect(fetched).toHaveBeenCalledTimes(3))
  })

  describe('with files', () => {
    let answers: ((token: string) => void)[]
    beforeEach(() => {
      answers = []
      view.composer.render(true)
      vi.stubGlobal('fetch', () => {
        const answered = new Promise((done) =>
          answers.push((token) => done({ ok: true, json: async () => ({ token, name: token }) })),
        )
        return answered
      })
    })

    test('files that one person attached or was uploading are removed when another person signs in', async () => {
      pasteFiles(several(2))
      await vi.waitFor(() => expect(answers).toHaveLength(1))
      answers[0]!('first')
      await vi.waitFor(() => expect(answers).toHaveLength(2))
      view.composer.write('')
      answers[1]!('second')
      expect(chips()).toBe(0)
      area().value = 'only words'
      area().dispatchEvent(new Event('input'))
      press('Enter')
      expect(callbacks.send).toHaveBeenCalledWith('only words', [])
      await Promise.resolve()
      area().value = 'still only words'
      area().dispatchEvent(new Event('input'))
      press('Enter')
      expect(callbacks.send).toHaveBeenLastCalledWith('still only words', [])
    })

    test('one message takes ten files, uploads included; the others are refused with a notice', async () => {
      pasteFiles(several(8))
      await vi.waitFor(() => expect(chips('.busy')).toBe(8))
      pasteFiles(several(8))
      await vi.waitFor(() => expect(chips('.busy')).toBe(10))
      expect(document.querySelector('.chip.bad')?.textContent).toBe(
        'You can attach at most 10 files to one message.',
      )
    })
  })
})
