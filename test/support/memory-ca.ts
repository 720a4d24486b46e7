import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import type { Clock } from '#shared/clock'
import { systemClock } from '#shared/clock'
import { type SpiffeId, spiffeId } from '#shared/model'
import { parseIp } from '#shared/net'
import {
  createCsr,
  generateKey,
  type KeyKind,
  parseCsr,
  parseIdentity,
  privateKeyPemOf,
  type Signer,
  type SubjectAltName,
  signCertificate,
  type WorkloadCertificate,
} from '#shared/pki'
import { readFields } from '../../src/shared/pki/certificate.ts'
import { type CrlInput, serialBytes, writeCrl } from './crl.ts'

export interface MemoryCaSettings {
  readonly trustDomain?: string
  readonly clock?: Clock
  readonly keyKind?: KeyKind
  /** Authorities between the root and the leaves. */
  readonly intermediates?: number
}

export interface IssueSettings {
  /** Life from now; may be negative for a certificate that has expired. */
  readonly ttlMs?: number
  readonly backdateMs?: number
  /** In place of the identity's own URI. */
  readonly names?: readonly SubjectAltName[]
}

export interface ServerCertificate {
  readonly keyPem: string
  /** Leaf, then intermediates. */
  readonly certPem: string
}

const DAY_MS = 86_400_000

/** A certificate authority that lives as long as a test, made by the same code as istiod-lite's. */
export class MemoryCa {
  readonly trustDomain: string
  readonly #clock: Clock
  readonly #root: Signer & { readonly certificatePem: string }
  /** From the one below the root to the one that signs leaves. */
  readonly #intermediates: (Signer & { readonly certificatePem: string })[] = []

  constructor(settings: MemoryCaSettings = {}) {
    this.trustDomain = settings.trustDomain ?? 'cluster.local'
    this.#clock = settings.clock ?? systemClock
    this.#root = this.#authority(generateKey(settings.keyKind), 'Root', undefined)
    for (let i = 0; i < (settings.intermediates ?? 0); i++)
      this.#intermediates.push(this.#authority(generateKey(settings.keyKind), `Intermediate ${i}`, this.#signer))
  }

  get rootPem(): string {
    return this.#root.certificatePem
  }

  /** Nearest to the leaves first. */
  get intermediatesPem(): readonly string[] {
    return this.#intermediates.map((one) => one.certificatePem).reverse()
  }

  id(namespace: string, serviceAccount: string): SpiffeId {
    return spiffeId({ trustDomain: this.trustDomain, namespace, serviceAccount })
  }

  /** A whole identity, as the certificate manager makes it. */
  issue(id: SpiffeId, settings: IssueSettings = {}): WorkloadCertificate {
    const { privateKeyPem, csrPem } = createCsr(id)
    // An identity that has expired by now was valid once, or it could not be read.
    const nowMs = Math.min(this.#clock.nowMs(), this.#clock.nowMs() + (settings.ttlMs ?? 0)) - 1_000
    return parseIdentity(id, privateKeyPem, this.certify(csrPem, id, settings), nowMs)
  }

  /** `cert_chain` as CreateCertificate answers it: leaf, intermediates, root bundle. */
  certify(csrPem: string, id: SpiffeId, settings: IssueSettings = {}): string[] {
    const names = settings.names ?? [{ kind: 'uri', value: id }]
    const leaf = this.#leaf(parseCsr(csrPem).publicKey, names, settings)
    return [leaf, ...this.intermediatesPem, this.rootPem]
  }

  /** For a TLS server that is found by name or address. */
  server(hosts: readonly string[] = ['localhost', '127.0.0.1'], settings: IssueSettings = {}): ServerCertificate {
    const key = generateKey('P-256')
    const names = hosts.map((host): SubjectAltName => {
      const ip = parseIp(host)
      return ip === undefined ? { kind: 'dns', value: host } : { kind: 'ip', value: ip }
    })
    const leaf = this.#leaf(createPublicKey(key), names, settings)
    return { keyPem: privateKeyPemOf(key), certPem: [leaf, ...this.intermediatesPem].join('') }
  }

  /**
   * A list, as DER, that takes these certificates back: leaves by the authority that signs leaves, or what the root has
   * signed by the root.
   *
   * @param serials decimal
   */
  revoke(serials: readonly string[], by: 'signer' | 'root' = 'signer', change: Partial<CrlInput> = {}): Buffer {
    const { privateKey, certificatePem = '' } = by === 'root' ? this.#root : this.#signer
    const issuerDer = readFields(new X509Certificate(certificatePem).raw).subjectDer
    return writeCrl({ issuerDer, key: privateKey, serials: serials.map(serialBytes), ...change })
  }

  get #signer(): Signer {
    return this.#intermediates.at(-1) ?? this.#root
  }

  #leaf(publicKey: KeyObject, subjectAltNames: readonly SubjectAltName[], settings: IssueSettings): string {
    const notAfterMs = this.#clock.nowMs() + (settings.ttlMs ?? DAY_MS)
    return signCertificate(
      {
        publicKey,
        subject: {},
        subjectAltNames,
        notBeforeMs: Math.min(this.#clock.nowMs(), notAfterMs - 1_000) - (settings.backdateMs ?? 0),
        notAfterMs,
        use: { kind: 'leaf' },
      },
      this.#signer,
    )
  }

  #authority(key: KeyObject, name: string, signer: Signer | undefined): Signer & { readonly certificatePem: string } {
    const nowMs = this.#clock.nowMs()
    const certificatePem = signCertificate(
      {
        publicKey: createPublicKey(key),
        subject: { organization: this.trustDomain, commonName: `${name} of ${this.trustDomain}` },
        subjectAltNames: [],
        notBeforeMs: nowMs - DAY_MS,
        notAfterMs: nowMs + 3650 * DAY_MS,
        use: { kind: 'authority', maxPathLength: undefined },
      },
      signer ?? { privateKey: key, certificatePem: undefined },
    )
    return { privateKey: key, certificatePem }
  }
}
