/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

/**
 * `at` null: send now. `confirmed_shortage`: send although the credits are not enough for everybody.
 */
export interface ApprovalBody {
  at?: string | null
  confirmed_shortage?: boolean
  time_zone?: string
  version?: string | null
}
/**
 * `version`: of the campaign that the change is based on.
 */
export interface CampaignBody {
  audience_at?: 'approval' | 'send'
  content: ContentInput
  exclude?: GroupsBody
  include: GroupsBody
  name: string
  smart?: 'off' | 'campaign' | 'flow' | 'both'
  version?: string | null
}
/**
 * A campaign in the list. `counts`: people by state of their receipt.
 */
export interface CampaignLine {
  changed_at: string
  clicked: number
  counts: {
    [k: string]: number
  }
  finished_at: string | null
  id: number
  name: string
  reason: string
  replied: number
  scheduled_at: string | null
  started_at: string | null
  state: string
}
/**
 * `audience`: everybody with a receipt. `counts`: the receipts by state and reason; their sum is `audience`.
 *
 * `review`: the result or the progress of the review of this version; null: it has none.
 */
export interface CampaignOut {
  audience: number
  audience_at: string
  changed_at: string
  clicked: number
  content: Content
  counts: ReasonCount[]
  created_at: string
  ends_at: string | null
  exclude: GroupsOut
  finished_at: string | null
  group_names: {
    [k: string]: {
      [k: string]: string
    }
  }
  id: number
  include: GroupsOut
  name: string
  reason: string
  replied: number
  review: {
    [k: string]: unknown
  } | null
  scheduled_at: string | null
  smart: string
  started_at: string | null
  state: string
  time_zone: string
  version: string
}
export interface CampaignPage {
  after: string | null
  before: string | null
  campaigns: CampaignLine[]
}
export interface CampaignSettingsBody {
  attribution_hours?: number
  pause_at_failed_percent?: number
  smart_campaign_hours?: number
  smart_flow_hours?: number
  time_limit_hours?: number
  version?: string | null
}
export interface CampaignTestBody {
  contact?: number | null
  phone: string
}
/**
 * `name` "": the name of the source, with a number.
 */
export interface CloneBody {
  name?: string
}
/**
 * `text`: a template of `templates.sandbox`. `opt_out_text` and `contact_text`: "": the usual wording.
 */
export interface ContentInput {
  contact?: boolean
  contact_text?: string
  opt_out?: boolean
  opt_out_text?: string
  prefix?: boolean
  shorten_links?: boolean
  text?: string
}
/**
 * `text`: a template of `templates.sandbox`. `opt_out_text` and `contact_text`: "": the usual wording.
 */
export interface Content {
  contact: boolean
  contact_text: string
  opt_out: boolean
  opt_out_text: string
  prefix: boolean
  shorten_links: boolean
  text: string
}
export interface GroupsBody {
  lists?: number[]
  segments?: number[]
}
/**
 * Ids of lists and segments.
 */
export interface GroupsOut {
  lists: number[]
  segments: number[]
}
export interface NewCampaign {
  name: string
}
export interface OneCampaign {
  campaign: CampaignOut
}
/**
 * `contact` null: an invented person, in `country`.
 */
export interface PreviewBody {
  contact?: number | null
  country?: string
}
/**
 * The text as this person gets it. `special`: characters that make the text longer.
 */
export interface PreviewOut {
  characters: number
  country: string
  credits: number
  encoding: string
  segments: number
  special: string[]
  text: string
}
export interface QueuedTest {
  outbound: number
}
/**
 * `message`: the reason in words; "" for a state without a reason.
 */
export interface ReasonCount {
  message: string
  people: number
  reason: string
  state: string
}
/**
 * `message`: the reason in words. `detail`: the value that decided. `reply`: the text that is credited to it.
 */
export interface ReceiptOut {
  address: string
  at: string
  clicks: number
  contact: number
  country: string
  detail: string
  id: number
  message: string
  name: string
  outbound: number | null
  reason: string
  replied_at: string | null
  reply_seq: number | null
  reply_thread: number | null
  sent_at: string | null
  state: string
}
export interface ReceiptPage {
  after: string | null
  before: string | null
  receipts: ReceiptOut[]
}
export interface RescheduleBody {
  at: string
  time_zone?: string
}
/**
 * `at`: the start that the review is for; null: now.
 */
export interface ReviewBody {
  at?: string | null
}
export interface VersionedCampaignSettings {
  attribution_hours: number
  pause_at_failed_percent: number
  smart_campaign_hours: number
  smart_flow_hours: number
  time_limit_hours: number
  version: string
}
