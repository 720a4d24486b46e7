export { FolderResolver } from './folder-resolver.ts'
export type { NetnsResolver } from './resolver.ts'
