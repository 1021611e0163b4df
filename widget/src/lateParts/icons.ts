/** Line drawings, 24 × 24, of the lazy parts. */
export const ICONS = {
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 017 0v3',
  down: 'M5 9l7 7 7-7',
  failed: 'M12 21a9 9 0 100-18 9 9 0 000 18zM12 8v4.5M12 16h.01',
  file: 'M14 3H7a2 2 0 00-2 2v14a2 2 0 002 2h10a2 2 0 002-2V8zM14 3v5h5M12 11v6M9.5 14.5L12 17l2.5-2.5',
  mail: 'M4 6h16v12H4zM4 7l8 6 8-6',
  end: 'M14 4h4a2 2 0 012 2v12a2 2 0 01-2 2h-4M10 8l-4 4 4 4M6 12h10',
  sound: 'M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM15.5 9a4 4 0 010 6M18 6.5a8 8 0 010 11',
  mute: 'M4 9.5v5h3.5L12 18.5v-13L7.5 9.5zM16 10l5 5M21 10l-5 5',
}
