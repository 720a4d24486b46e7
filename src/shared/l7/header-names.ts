/**
 * Fields that say where a message ends or what its connection does. They are the proxy's own: a rule that could change them
 * could make one request look like two.
 */
const OF_THE_PROXY: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'http2-settings',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

const BREAKS_LINES = /[\0\r\n]/

/** Why a rule may not change that header, or give it that value; undefined when it may. */
export function headerProblem(name: string, value: string): string | undefined {
  if (OF_THE_PROXY.has(name.toLowerCase())) return 'says where a message ends, and cannot be changed'
  return BREAKS_LINES.test(value) ? 'has a value of several lines' : undefined
}
