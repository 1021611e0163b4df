/** What the page of a return link says, before the chat is there. */
interface Words {
  code: string
  title: string
  why: string
  go: string
  opening: string
  again: string
  gone: string
  goneWhy: string
}

export const words: Record<string, Words> = {
  en: {
    code: 'en',
    title: 'Continue your chat',
    why: 'You come back to the same conversation, on this device too.',
    go: 'Continue the chat',
    opening: 'Opening the chat…',
    again: 'The chat could not be opened. Check your connection and try again.',
    gone: 'This link has expired',
    goneWhy: 'Open the chat on the website to write to us again.',
  },
  ko: {
    code: 'ko',
    title: '채팅 이어 가기',
    why: '이 기기에서도 같은 대화로 돌아갑니다.',
    go: '채팅 이어 가기',
    opening: '채팅을 여는 중…',
    again: '채팅을 열지 못했습니다. 인터넷 연결을 확인하고 다시 시도하세요.',
    gone: '만료된 링크입니다',
    goneWhy: '다시 문의하려면 웹사이트에서 채팅을 여세요.',
  },
  pl: {
    code: 'pl',
    title: 'Wróć do rozmowy',
    why: 'Wrócisz do tej samej rozmowy, także na tym urządzeniu.',
    go: 'Wróć do rozmowy',
    opening: 'Otwieranie czatu…',
    again: 'Nie udało się otworzyć czatu. Sprawdź połączenie i spróbuj ponownie.',
    gone: 'Ten link wygasł',
    goneWhy: 'Aby napisać do nas ponownie, otwórz czat na stronie.',
  },
  ru: {
    code: 'ru',
    title: 'Вернитесь к разговору',
    why: 'Вы вернётесь к тому же разговору, в том числе на этом устройстве.',
    go: 'Продолжить чат',
    opening: 'Открываем чат…',
    again: 'Не удалось открыть чат. Проверьте подключение и попробуйте снова.',
    gone: 'Срок действия ссылки истёк',
    goneWhy: 'Чтобы написать нам снова, откройте чат на сайте.',
  },
}
