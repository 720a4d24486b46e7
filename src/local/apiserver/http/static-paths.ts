import type { ServerResponse } from 'node:http'
import { AMBIT_VERSION } from '#shared/control'
import { ISSUER, type ServiceAccountTokens } from '../auth/index.ts'
import { sendObject, sendText } from './send.ts'

/** The Kubernetes release whose behaviour this server has. */
const KUBERNETES_VERSION = { major: '1', minor: '32', gitVersion: `v1.32.4+ambit-${AMBIT_VERSION}` }
const HEALTH_PATHS = /^\/(healthz|livez|readyz)(?:\/.*)?$/

/** Paths that are no API: health, version, and the keys of service-account tokens. */
export class StaticPaths {
  readonly #tokens: ServiceAccountTokens
  readonly #isReady: () => boolean

  constructor(tokens: ServiceAccountTokens, isReady: () => boolean) {
    this.#tokens = tokens
    this.#isReady = isReady
  }

  /** @returns false when the path is none of them */
  async answer(path: string, response: ServerResponse): Promise<boolean> {
    const health = HEALTH_PATHS.exec(path)
    if (health !== null) {
      const isGood = health[1] === 'livez' || this.#isReady()
      sendText(response, isGood ? 200 : 500, isGood ? 'ok' : 'not ready')
      return true
    }
    const document = await this.#document(path)
    if (document === undefined) return false
    sendObject(response, 200, document, 'json')
    return true
  }

  async #document(path: string): Promise<object | undefined> {
    if (path === '/version') return versionInfo()
    if (path === '/')
      return { paths: ['/api', '/apis', '/healthz', '/livez', '/openapi/v2', '/openapi/v3', '/readyz', '/version'] }
    if (path === '/openid/v1/jwks') return { keys: [await this.#tokens.jwk()] }
    if (path !== '/.well-known/openid-configuration') return undefined
    return {
      issuer: ISSUER,
      jwks_uri: `${ISSUER}/openid/v1/jwks`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256'],
    }
  }
}

function versionInfo(): object {
  return {
    ...KUBERNETES_VERSION,
    gitCommit: '',
    gitTreeState: 'clean',
    buildDate: '1970-01-01T00:00:00Z',
    goVersion: '',
    compiler: 'v8',
    platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
  }
}
