import { createPublicKey, type KeyObject } from 'node:crypto'
import { systemClock } from '#shared/clock'
import { generateKey, type KeyKind, privateKeyPemOf, signCertificate } from '#shared/pki'

export interface CaOptions {
  readonly keyKind?: KeyKind
  /** Authorities between the root and the one that signs. */
  readonly between?: number
  readonly lifeMs?: number
  /** Begin of every certificate, against now; default a minute ago. */
  readonly startsInMs?: number
  /** Of the root; others get none. */
  readonly maxPathLength?: number
  readonly name?: string
}

/** What an operator plugs in, in files of Istio's names; the root signs intermediates, the last of which signs leaves. */
export type CaFiles = {
  readonly 'ca-cert.pem': string
  readonly 'ca-key.pem': string
  readonly 'cert-chain.pem': string
  readonly 'root-cert.pem': string
}

const DAY_MS = 86_400_000

export function makeCaFiles(options: CaOptions = {}): CaFiles {
  const {
    keyKind = 'P-256',
    between = 1,
    lifeMs = DAY_MS,
    startsInMs = -60_000,
    maxPathLength,
    name = 'Mine',
  } = options
  const nowMs = systemClock.nowMs()
  let signer: { readonly privateKey: KeyObject; readonly certificatePem: string | undefined } = {
    privateKey: generateKey(keyKind),
    certificatePem: undefined,
  }
  const made: string[] = []
  for (let depth = 0; depth <= between; depth++) {
    const key = depth === 0 ? signer.privateKey : generateKey(keyKind)
    const certificatePem = signCertificate(
      {
        publicKey: createPublicKey(key),
        subject: { organization: name, commonName: depth === 0 ? `${name} root` : `${name} intermediate ${depth}` },
        subjectAltNames: [],
        notBeforeMs: nowMs + startsInMs,
        notAfterMs: nowMs + lifeMs,
        use: { kind: 'authority', maxPathLength: depth === 0 ? maxPathLength : undefined },
      },
      signer,
    )
    made.push(certificatePem)
    signer = { privateKey: key, certificatePem }
  }
  const [root = ''] = made
  return {
    'ca-cert.pem': made.at(-1) ?? '',
    'ca-key.pem': privateKeyPemOf(signer.privateKey),
    // As Istio's own recipe makes it: everything, from the one that signs to the root.
    'cert-chain.pem': [...made].reverse().join(''),
    'root-cert.pem': root,
  }
}

/** As the data of a Secret. */
export function secretData(files: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(files).map(([name, text]) => [name, Buffer.from(text).toString('base64')]))
}
