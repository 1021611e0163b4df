/** The page's CSP nonce, for the style elements that libraries add at run time. */

export function nonce(): string {
  return document.querySelector<HTMLMetaElement>('meta[name=csp-nonce]')?.content ?? ''
}

/** Mantine's dialogs lock scrolling through `get-nonce`, which reads this global and nothing else. */
export function shareNonce(): void {
  ;(globalThis as { __webpack_nonce__?: string }).__webpack_nonce__ = nonce()
}
