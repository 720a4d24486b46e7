import type { ZtunnelConfig } from './config.ts'

/** The settings as `/config_dump` shows them: of tokens and headers only that they are set. */
export function shownConfig(config: ZtunnelConfig): Readonly<Record<string, string | number | boolean | undefined>> {
  const hidden: Readonly<Record<string, string | undefined>> = {
    authToken: config.authToken && '<set>',
    localXds: config.localXds && '<set>',
    xdsHeaders: Object.keys(config.xdsHeaders).join(','),
    caHeaders: Object.keys(config.caHeaders).join(','),
  }
  return Object.fromEntries(
    Object.entries({ ...config, ...hidden }).map(([key, value]) => [
      key,
      typeof value === 'object' ? JSON.stringify(value) : value,
    ]),
  )
}
