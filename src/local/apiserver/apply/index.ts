import type { FieldManagement } from '../types.ts'
import { apply } from './apply.ts'
import { track } from './track.ts'

export { conflictMessage } from './ownership.ts'

/** Server-side apply and managed fields. */
export const fieldManagement: FieldManagement = { apply, track }
