import { createPublicKey, type KeyObject } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '#shared/clock'
import { MeshError, reasonOf } from '#shared/errors'
import { generateKey, privateKeyPemOf, readCertificates, readPrivateKey, type Signer } from '#shared/pki'
import { signChecked } from './sign.ts'

/** The key that signs, and the root that everybody trusts. */
export interface Authority {
  readonly signer: Signer
  readonly rootPem: string
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

export interface AuthoritySettings {
  /** Folder of `ca-key.pem` and `root-cert.pem`, made when it is missing. */
  readonly stateDir: string
  readonly trustDomain: string
  /** Of a root that is made now. */
  readonly rootLifeMs: number
}

export const ROOT_FILE = 'root-cert.pem'
export const KEY_FILE = 'ca-key.pem'

const DIR_MODE = 0o700
const KEY_MODE = 0o600
const ROOT_MODE = 0o644
/** Clocks of nodes that are behind ours take a fresh root too. */
const BACKDATE_MS = 120_000

/**
 * The CA of the state folder: made at the first start, the same ever after. The key is written before the root and each
 * as a whole, so that a crash at any point leaves nothing, or a key for which no root was ever told to anybody.
 *
 * @throws MeshError `CONFIG_INVALID` with what to do when files are unreadable, open to others, do not belong together,
 *   or have expired: a new root in their place would cut off everybody who trusts the old one
 */
export function openAuthority(settings: AuthoritySettings, clock: Clock): Authority {
  const { stateDir } = settings
  mkdirSync(stateDir, { recursive: true, mode: DIR_MODE })
  requireClosed(stateDir, 0o022, 'may be written by others', '0700')
  const keyFile = join(stateDir, KEY_FILE)
  const rootFile = join(stateDir, ROOT_FILE)
  const hasKey = existsSync(keyFile)
  if (!hasKey && existsSync(rootFile))
    throw invalid(`${rootFile} is there without its key ${keyFile}: restore the key, or remove the root to start anew`)

  const key = hasKey ? readKey(keyFile) : generateKey('P-256')
  if (!hasKey) writeWhole(keyFile, privateKeyPemOf(key), KEY_MODE)
  if (!existsSync(rootFile)) writeWhole(rootFile, selfSigned(key, settings, clock), ROOT_MODE)
  return readAuthority(key, rootFile, clock)
}

function readKey(file: string): KeyObject {
  requireClosed(file, 0o077, 'may be read by others', '0600')
  try {
    return readPrivateKey(readFileSync(file, 'utf8'))
  } catch (cause) {
    throw invalid(`${file}: ${reasonOf(cause)}`, cause)
  }
}

function readAuthority(key: KeyObject, rootFile: string, clock: Clock): Authority {
  const rootPem = readFileSync(rootFile, 'utf8')
  const [root, ...more] = readRoot(rootFile, rootPem)
  if (root === undefined || more.length > 0) throw invalid(`${rootFile} does not hold one certificate`)
  if (!root.ca || !root.checkPrivateKey(key) || !root.verify(createPublicKey(key)))
    throw invalid(`${rootFile} is no root of the key beside it: restore the pair, or remove both to start anew`)
  const notAfterMs = root.validToDate.getTime()
  if (notAfterMs <= clock.nowMs()) throw invalid(`${rootFile} has expired: remove it to make a new one of the same key`)
  return {
    signer: { privateKey: key, certificatePem: rootPem },
    rootPem,
    notBeforeMs: root.validFromDate.getTime(),
    notAfterMs,
  }
}

function readRoot(file: string, pem: string): ReturnType<typeof readCertificates> {
  try {
    return readCertificates(pem)
  } catch (cause) {
    throw invalid(`${file}: ${reasonOf(cause)}`, cause)
  }
}

function selfSigned(key: KeyObject, settings: AuthoritySettings, clock: Clock): string {
  const nowMs = clock.nowMs()
  return signChecked(
    {
      publicKey: createPublicKey(key),
      subject: { organization: settings.trustDomain, commonName: 'Ambit root CA' },
      subjectAltNames: [],
      notBeforeMs: nowMs - BACKDATE_MS,
      notAfterMs: nowMs + settings.rootLifeMs,
      use: { kind: 'authority', maxPathLength: undefined },
    },
    { privateKey: key, certificatePem: undefined },
  )
}

/** A link could lead to where others write. */
function requireClosed(path: string, forbidden: number, problem: string, wanted: string): void {
  const { mode, uid } = lstatSync(path).isSymbolicLink() ? refuseLink(path) : statSync(path)
  if ((mode & forbidden) !== 0) throw invalid(`${path} ${problem}: set its mode to ${wanted}`)
  if (uid !== process.getuid?.() && uid !== 0) throw invalid(`${path} belongs to another user`)
}

function refuseLink(path: string): never {
  throw invalid(`${path} is a link; the CA keeps its files in a folder of its own`)
}

/** Written beside, flushed, and renamed over: there is never half of a file under its name. */
function writeWhole(file: string, text: string, mode: number): void {
  const beside = `${file}.new`
  rmSync(beside, { force: true })
  const descriptor = openSync(beside, 'wx', mode)
  try {
    writeSync(descriptor, text)
    fsyncSync(descriptor)
  } finally {
    closeSync(descriptor)
  }
  // The process's umask may have taken rights away.
  chmodSync(beside, mode)
  renameSync(beside, file)
}

function invalid(message: string, cause?: unknown): MeshError {
  return new MeshError('CONFIG_INVALID', message, { cause })
}
