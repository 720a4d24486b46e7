import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer, type Server } from 'node:https'
import { reasonOf } from '#shared/errors'
import type { Closer } from '#shared/lifecycle'
import type { Logger, Metrics } from '#shared/telemetry'
import type { ServerKeyPair } from '#shared/xds'
import type { PolicyExplainer } from '../mesh/index.ts'
import { type AdmissionMode, decideAdmission, type Verdict } from './decide.ts'
import { readReview, reviewAnswer } from './review.ts'

export interface AdmissionServerSettings {
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  readonly keyPair: ServerKeyPair
  readonly mode: AdmissionMode
  readonly explain: PolicyExplainer
  readonly logger: Logger
  readonly metrics: Metrics
}

export const VALIDATE_PATH = '/validate'
/** An API server sends an object of at most 3 MiB, twice. */
const MAX_BODY_BYTES = 8 * 1024 * 1024
const MAX_CONNECTIONS = 128
const HEADERS_TIMEOUT_MS = 5_000
/** API servers wait for at most 30 s. */
const REQUEST_TIMEOUT_MS = 30_000

type Verdicts = ReturnType<Metrics['counters']>

/** Answers the API server's AdmissionReviews over TLS. It keeps nothing, so every control plane may be asked. */
export class AdmissionServer implements Closer {
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  /** @throws Error as node:net gives it when the port is taken */
  static listen(settings: AdmissionServerSettings): Promise<AdmissionServer> {
    const { keyPair, host, port, logger, metrics } = settings
    const verdicts = metrics.counters('ambit_admission_reviews', "Answers to the API server's questions", ['verdict'])
    const server = createServer(
      {
        ...tlsOptions(keyPair),
        minVersion: 'TLSv1.2',
        headersTimeout: HEADERS_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
      },
      (request, response) => void answer(settings, verdicts, request, response),
    )
    server.maxConnections = MAX_CONNECTIONS
    server.on('tlsClientError', (error) => logger.debug('a TLS hand-shake failed', { reason: error.message }))
    return new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen({ host, port }, () => {
        server.off('error', reject)
        server.on('error', (error) => logger.warn('the server failed', { reason: error.message }))
        resolve(new AdmissionServer(server))
      })
    })
  }

  /** The port, also when 0 was asked for. */
  get port(): number {
    const address = this.#server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** For connections from now on. */
  renew(keyPair: ServerKeyPair): void {
    this.#server.setSecureContext({ ...tlsOptions(keyPair), minVersion: 'TLSv1.2' })
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeIdleConnections()
    })
  }
}

function tlsOptions({ certPem, keyPem }: ServerKeyPair): { readonly cert: string; readonly key: string } {
  return { cert: certPem, key: keyPem }
}

/** Never rejects. */
async function answer(
  settings: AdmissionServerSettings,
  verdicts: Verdicts,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.on('error', () => response.destroy())
  if (request.method !== 'POST' || request.url?.split('?')[0] !== VALIDATE_PATH) {
    request.resume()
    send(response, 404, 'not found\n')
    return
  }
  try {
    const body = await readBody(request)
    if (body === undefined) return send(response, 413, `more than ${MAX_BODY_BYTES} bytes\n`)
    const review = readReview(body)
    if (typeof review === 'string') return send(response, 400, `the body ${review}\n`)
    const verdict = decideAdmission(settings.mode, review, settings.explain)
    verdicts.with(wordFor(verdict)).value++
    send(response, 200, reviewAnswer(review.uid, verdict), 'application/json')
  } catch (error) {
    settings.logger.error('a review failed', { reason: reasonOf(error) })
    send(response, 500, 'the review failed, see the log of istiod-lite\n')
  }
}

function wordFor(verdict: Verdict): string {
  if (verdict.kind === 'refused') return 'refused'
  return verdict.warnings.length > 0 ? 'warned' : 'allowed'
}

/** @returns undefined when it is too long */
async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    const part = chunk as Buffer
    bytes += part.length
    if (bytes > MAX_BODY_BYTES) return undefined
    chunks.push(part)
  }
  return Buffer.concat(chunks, bytes).toString('utf8')
}

function send(response: ServerResponse, status: number, body: string, contentType = 'text/plain; charset=utf-8'): void {
  if (response.headersSent || response.destroyed) return
  response.writeHead(status, { 'content-type': contentType, 'content-length': Buffer.byteLength(body) })
  response.end(body)
}
