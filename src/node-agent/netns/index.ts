export { FolderResolver } from './folder-resolver.ts'
export { ProcessResolver } from './process-resolver.ts'
export { claim, type NetnsResolver, type SoughtPod } from './resolver.ts'
export { byAddress, byCgroup } from './ways.ts'
