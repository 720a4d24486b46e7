export { type DirectFacts, DirectRequest } from './direct-request.ts'
export { type LocalDestination, SameNode, type SameNodeOptions } from './same-node.ts'
