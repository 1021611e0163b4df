/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

/**
 * The meaning of one column. `key`: of a property; `name`: of one that does not exist yet. `purpose`, `words`: of a consent.
 * `day_first`: how its slash dates are read. `clear`: empty cells clear the stored value (AMB-16).
 */
export interface ColumnInput {
  clear?: boolean
  day_first?: boolean
  key?: string
  name?: string
  purpose?: string
  to?:
    | 'skip'
    | 'email'
    | 'phone'
    | 'crm'
    | 'name'
    | 'first_name'
    | 'last_name'
    | 'country'
    | 'date_added'
    | 'last_open'
    | 'last_click'
    | 'property'
    | 'consent'
    | 'at'
    | 'in_at'
    | 'out_at'
    | 'reason'
  type?: 'text' | 'number' | 'boolean' | 'date' | 'list' | 'tags'
  words?: 'status' | 'flags' | 'accepts' | 'opt_out'
}
/**
 * The meaning of one column. `key`: of a property; `name`: of one that does not exist yet. `purpose`, `words`: of a consent.
 * `day_first`: how its slash dates are read. `clear`: empty cells clear the stored value (AMB-16).
 */
export interface Column {
  clear: boolean
  day_first: boolean
  key: string
  name: string
  purpose: string
  to:
    | 'skip'
    | 'email'
    | 'phone'
    | 'crm'
    | 'name'
    | 'first_name'
    | 'last_name'
    | 'country'
    | 'date_added'
    | 'last_open'
    | 'last_click'
    | 'property'
    | 'consent'
    | 'at'
    | 'in_at'
    | 'out_at'
    | 'reason'
  type: 'text' | 'number' | 'boolean' | 'date' | 'list' | 'tags'
  words: 'status' | 'flags' | 'accepts' | 'opt_out'
}
/**
 * `source`: where the file comes from; "" if the user did not say.
 */
export interface CreateBody {
  kind?: 'contacts' | 'suppressions'
  source?: string
}
/**
 * What the reader found. `kind`: of the upload.
 */
export interface Described {
  columns: ImportColumn[]
  files: ImportedFile[]
  kind: 'csv' | 'txt' | 'xlsx' | 'xls' | 'zip'
  preview: PreviewRow[]
  rows: number
}
/**
 * `cells`: how many are not blank. `asks_order`: a slash date cannot be month first; `day_first`: all can be day first.
 * `same_as`: an earlier column has the same or a look-alike header. `unnamed`: the header is only a number.
 */
export interface ImportColumn {
  asks_order: boolean
  cells: number
  dashed_dates: number
  day_first: boolean
  emails: boolean
  flags: boolean
  header: string
  phones: boolean
  same_as: number | null
  samples: string[]
  type: 'text' | 'number' | 'boolean' | 'date' | 'list'
  unnamed: boolean
  unreadable_dates: number
}
/**
 * `name`: "" for the built-in ones, which the console names.
 */
export interface ImportConsent {
  name: string
  purpose: string
}
export interface ImportList {
  id: number
  members: number
  name: string
}
/**
 * `countries`: of phone numbers, ISO 3166. `first`: no import has finished in this account yet.
 */
export interface ImportOptions {
  consents: ImportConsent[]
  contacts_mb: number
  countries: string[]
  first: boolean
  lists: ImportList[]
  other_mb: number
  properties: ImportProperty[]
  rows: number
  sources: string[]
}
/**
 * `sender`: the known program whose export it is.
 * `first`: no import has finished in this account yet. `kept`: contacts that stayed when the import was undone.
 */
export interface ImportOut {
  by: string
  counts: {
    [k: string]: number
  }
  created_at: string
  described: Described | null
  ended_at: string | null
  file: UploadedFile | null
  first: boolean
  id: number
  kind: 'contacts' | 'suppressions'
  list_id: number | null
  mapping: Mapping | null
  problem: ImportProblem | null
  progress: ImportProgress | null
  reading: Reading
  rehearsal: Rehearsal | null
  rows: number
  sender: string
  source: string
  started_at: string | null
  state:
    | 'draft'
    | 'reading'
    | 'unreadable'
    | 'read'
    | 'rehearsing'
    | 'rehearsed'
    | 'running'
    | 'done'
    | 'cancelled'
    | 'undoing'
    | 'undone'
  undone_at: string | null
  version: number
}
export interface ImportProblem {
  code: string
  message: string
}
/**
 * `rate`: rows per second. `seconds_left`: None while nothing is known.
 */
export interface ImportProgress {
  done: number
  rate: number
  seconds_left: number | null
  total: number
}
export interface ImportProperty {
  key: string
  name: string
  type: 'text' | 'number' | 'boolean' | 'date' | 'list'
}
/**
 * The verdict about a row. `who`: its identifier. `changes`: field → value before and after. `consents`: purpose, status
 * before, status after. `stop`: why its e-mail address is suppressed. `cells`: column, code and text of cells that were not taken.
 */
export interface ImportRow {
  cells: unknown[][]
  changes: {
    [k: string]: unknown[]
  }
  consents: string[][]
  contact: number | null
  file: number
  line: number
  n: number
  reason: string
  stop: string
  verdict: 'new' | 'updated' | 'unchanged' | 'duplicate' | 'skipped' | 'refused'
  who: string
}
export interface ImportRows {
  after: number | null
  rows: ImportRow[]
}
export interface ImportSheet {
  hidden: boolean
  name: string
}
/**
 * One table: the upload itself, or a file of a ZIP. `certain` False: the encoding is a guess. `skipped`: lines above the
 * headers. `state`: what its name says about everybody in it.
 */
export interface ImportedFile {
  certain: boolean
  encoding: string
  has_headers: boolean
  kind: 'text' | 'xlsx' | 'xls'
  name: string
  rows: number
  separator: string
  sheet: string
  sheets: ImportSheet[]
  skipped: number
  state: '' | 'subscribed' | 'unsubscribed' | 'bounced' | 'never'
}
/**
 * `before`: the id to ask for the next page with; None: there is none.
 */
export interface Imports {
  before: number | null
  imports: ImportOut[]
}
export interface MappingInput {
  columns?: ColumnInput[]
  country?: string
  duplicates?: 'first' | 'all'
  file_states?: ('' | 'subscribed' | 'unsubscribed' | 'bounced' | 'never')[]
  identifier?: 'email' | 'phone' | 'crm'
  leave_out?: ('role' | 'inactive')[]
  replace_empty?: boolean
  target?: TargetListInput | null
  type?: 'add_update' | 'add' | 'update'
  vouched?: VouchedInput
}
export interface Mapping {
  columns: Column[]
  country: string
  duplicates: 'first' | 'all'
  file_states: ('' | 'subscribed' | 'unsubscribed' | 'bounced' | 'never')[]
  identifier: 'email' | 'phone' | 'crm'
  leave_out: ('role' | 'inactive')[]
  replace_empty: boolean
  target: TargetList | null
  type: 'add_update' | 'add' | 'update'
  vouched: Vouched
}
export interface MappingBody {
  mapping: MappingInput
  version?: number | null
}
export interface OneImport {
  import: ImportOut
}
/**
 * `broken`: why the row cannot be read.
 */
export interface PreviewRow {
  broken: string
  cells: string[]
  file: number
  line: number
}
/**
 * How the file is read; None: as detected. `confirmed`: the user has seen the preview (IMP-23).
 */
export interface ReadingInput {
  confirmed?: boolean
  encoding?: string | null
  headers?: boolean | null
  quote?: string | null
  separator?: string | null
  sheet?: string | null
}
/**
 * How the file is read; None: as detected. `confirmed`: the user has seen the preview (IMP-23).
 */
export interface Reading {
  confirmed: boolean
  encoding: string | null
  headers: boolean | null
  quote: string | null
  separator: string | null
  sheet: string | null
}
/**
 * `version`: of the import that the change is based on.
 */
export interface ReadingBody {
  reading: ReadingInput
  version?: number | null
}
/**
 * `samples`: some rows of each verdict, reason and code. `cleared`: stored values that empty cells would clear.
 */
export interface Rehearsal {
  cleared: number
  counts: {
    [k: string]: number
  }
  rows: number
  samples: {
    [k: string]: ImportRow[]
  }
}
/**
 * The list that everybody joins: an existing one, or a new one by name.
 */
export interface TargetListInput {
  id?: number | null
  name?: string
}
/**
 * The list that everybody joins: an existing one, or a new one by name.
 */
export interface TargetList {
  id: number | null
  name: string
}
export interface UploadedFile {
  name: string
  sha256: string
  size: number
}
export interface VersionBody {
  version?: number | null
}
/**
 * The answer to the consent question for a file that says nothing (IMP-73, 74). `sentence`: what the user vouches for.
 */
export interface VouchedInput {
  email?: boolean
  sentence?: string
  sms?: 'none' | 'transactional' | 'both'
}
/**
 * The answer to the consent question for a file that says nothing (IMP-73, 74). `sentence`: what the user vouches for.
 */
export interface Vouched {
  email: boolean
  sentence: string
  sms: 'none' | 'transactional' | 'both'
}
