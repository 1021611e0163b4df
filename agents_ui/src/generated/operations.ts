/* Made from the server's models by `npm run types:generate` in agents_ui; do not edit. */

export interface DeadJob {
  attempts: number
  created_at: string
  error: string | null
  failed_at: string
  id: number
  kind: string
}
export interface DeadJobs {
  count: number
  jobs: DeadJob[]
}
export interface Diagnosis {
  checked_at: string
  findings: Finding[]
  version: string
  worst: 'ok' | 'warn' | 'fail'
}
export interface Finding {
  advice: string
  area: string
  message: string
  state: 'ok' | 'warn' | 'fail'
}
export interface Findings {
  findings: Finding[]
}
/**
 * `about`: the site where the widget was seen last.
 */
export interface FirstStep {
  about: string
  done: boolean
  id: 'widget' | 'sms' | 'mail' | 'hours' | 'auto_response' | 'team'
}
export interface FirstSteps {
  steps: FirstStep[]
}
export interface JobProgress {
  done: number
  kind: string
  total: number
}
export interface Progress {
  jobs: JobProgress[]
}
