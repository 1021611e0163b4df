import { useNavigate } from '@tanstack/react-router'
import type { Step } from './data'

/** Opens a step of an import. */
export function useGo(id: number): (step: Step) => void {
  const navigate = useNavigate()
  return (step) =>
    void navigate({ to: '/contacts/imports/$import/$step', params: { import: String(id), step } })
}
