export { FolderResolver } from './folder-resolver.ts'
export { claim, type NetnsResolver } from './resolver.ts'
