import { MeshError } from '#shared/errors'

/** Longest name that Kubernetes allows; `system:serviceaccount:` and a namespace come before it in user names. */
const MAX_TEXT = 253 + 64 + 32

/** @throws MeshError `CERTIFICATE_REFUSED` */
export function claimsRecord(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw refused('the token is no bound service-account token')
  return value as Readonly<Record<string, unknown>>
}

/** @throws MeshError `CERTIFICATE_REFUSED` when it is missing, empty or too long */
export function claimText(claims: Readonly<Record<string, unknown>>, name: string): string {
  const value = claims[name]
  if (typeof value !== 'string' || value === '' || value.length > MAX_TEXT)
    throw refused(`the token has no claim ${name}`)
  return value
}

/** The reason is for the log; the caller learns none. */
export function refused(reason: string, cause?: unknown): MeshError {
  return new MeshError('CERTIFICATE_REFUSED', reason, { cause })
}
