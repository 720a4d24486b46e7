export { Filters, type FilterTools, MOST_MIRRORS } from './apply.ts'
export type { SendMirror } from './mirror.ts'
