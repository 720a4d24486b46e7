import type { IncomingMessage } from 'node:http'
import { ApiError } from '../api-error.ts'

/** As kube-apiserver: a CRD of a large API has about 1 MiB. */
export const MAX_BODY_BYTES: number = 3 * 1024 * 1024

/**
 * The whole body.
 *
 * @throws ApiError RequestEntityTooLarge; the rest is not read, so the connection must end
 */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const tooLarge = (): ApiError =>
    new ApiError('RequestEntityTooLarge', `Request entity too large: limit is ${MAX_BODY_BYTES}`)
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) throw tooLarge()
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > MAX_BODY_BYTES) throw tooLarge()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
