import { stateIn } from '../client/index.ts'
import { DEFAULT_STATE } from './options.ts'

/** What a mesh that is down has left on disk, and how to remove it; empty when that is nothing. */
export function whatStays(state: string, stateDir: string): string {
  if (stateIn(stateDir) === 'nothing') return ''
  const where = state === DEFAULT_STATE ? '' : ` --state ${state}`
  return `its objects and keys stay in ${stateDir} for the next "ambit up"; "ambit down --purge${where}" removes them\n`
}
