export { IDENTIFY_TIMES, type IdentifyTimes } from './identify.ts'
export { listenPlain, type PlainListenerSettings } from './listen-plain.ts'
export { listenTunnels, type Refusal, type TunnelListenerSettings } from './listen-tunnels.ts'
export type * from './types.ts'
