import { createPublicKey, type KeyObject } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import { type IpAddress, parseIp } from '#shared/net'
import {
  generateKey,
  privateKeyPemOf,
  readCertificates,
  readPrivateKey,
  type SubjectAltName,
  signCertificate,
} from '#shared/pki'

const DAY_MS = 24 * 3_600_000
const CA_LIFE_MS = 3650 * DAY_MS
const LEAF_LIFE_MS = 365 * DAY_MS
/** Clocks of one machine agree, but a container's image may not. */
const BACKDATE_MS = 5 * 60_000

/** Names under which pods and the machine reach the API. */
const SERVING_NAMES = [
  'localhost',
  'kubernetes',
  'kubernetes.default',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
]

export interface KeyPair {
  readonly certificatePem: string
  readonly privateKeyPem: string
}

/** The API's own CA: it signs the server's certificate and those of clients, and is kept with the state. */
export class ApiAuthority {
  readonly caPem: string
  /** Signs service-account tokens. */
  readonly tokenKey: KeyObject
  readonly #caKey: KeyObject
  readonly #clock: Clock

  private constructor(caPem: string, caKey: KeyObject, tokenKey: KeyObject, clock: Clock) {
    this.caPem = caPem
    this.#caKey = caKey
    this.tokenKey = tokenKey
    this.#clock = clock
  }

  /**
   * Reads the CA of a folder, or makes one there (0600); undefined: one that lives as long as the process.
   *
   * @throws MeshError `CERTIFICATE_INVALID` when what is there cannot be read: a new CA would lock all clients out
   */
  static open(dir: string | undefined, clock: Clock): ApiAuthority {
    if (dir === undefined) {
      const key = generateKey()
      return new ApiAuthority(selfSigned(key, clock), key, generateKey(), clock)
    }
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    const caKey = readPrivateKey(kept(join(dir, 'ca.key'), () => privateKeyPemOf(generateKey())))
    const caPem = kept(join(dir, 'ca.crt'), () => selfSigned(caKey, clock))
    const tokenKey = readPrivateKey(kept(join(dir, 'service-account.key'), () => privateKeyPemOf(generateKey())))
    const [certificate] = readCertificates(caPem)
    if (certificate === undefined || certificate.validToDate.getTime() <= clock.nowMs())
      throw new MeshError('CERTIFICATE_INVALID', `the CA in ${dir} has run out; remove the folder to make a new one`)
    return new ApiAuthority(caPem, caKey, tokenKey, clock)
  }

  /** @param addresses where it is reached besides loopback */
  issueServing(addresses: readonly IpAddress[]): KeyPair {
    const loopback = ['127.0.0.1', '::1'].flatMap((text) => parseIp(text) ?? [])
    const subjectAltNames: SubjectAltName[] = [
      ...SERVING_NAMES.map((value): SubjectAltName => ({ kind: 'dns', value })),
      ...[...loopback, ...addresses].map((value): SubjectAltName => ({ kind: 'ip', value })),
    ]
    return this.#issue({ commonName: 'kubernetes' }, subjectAltNames)
  }

  /** A client certificate: the name becomes the user, the organization the group. */
  issueClient(username: string, group: string): KeyPair {
    return this.#issue({ commonName: username, organization: group }, [])
  }

  #issue(
    subject: { readonly commonName: string; readonly organization?: string },
    subjectAltNames: readonly SubjectAltName[],
  ): KeyPair {
    const key = generateKey()
    const nowMs = this.#clock.nowMs()
    const certificatePem = signCertificate(
      {
        publicKey: createPublicKey(key),
        subject,
        subjectAltNames,
        notBeforeMs: nowMs - BACKDATE_MS,
        notAfterMs: nowMs + LEAF_LIFE_MS,
        use: { kind: 'leaf' },
      },
      { privateKey: this.#caKey, certificatePem: this.caPem },
    )
    return { certificatePem, privateKeyPem: privateKeyPemOf(key) }
  }
}

function selfSigned(key: KeyObject, clock: Clock): string {
  const nowMs = clock.nowMs()
  return signCertificate(
    {
      publicKey: createPublicKey(key),
      subject: { commonName: 'ambit-kubernetes-api' },
      subjectAltNames: [],
      notBeforeMs: nowMs - BACKDATE_MS,
      notAfterMs: nowMs + CA_LIFE_MS,
      use: { kind: 'authority', maxPathLength: 0 },
    },
    { privateKey: key, certificatePem: undefined },
  )
}

/** The file's text; made and written whole when there is none. */
function kept(path: string, make: () => string): string {
  if (existsSync(path)) return readFileSync(path, 'utf8')
  const text = make()
  writeFileSync(`${path}.unfinished`, text, { mode: 0o600, flush: true })
  renameSync(`${path}.unfinished`, path)
  return text
}
