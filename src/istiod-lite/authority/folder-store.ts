import { createHash } from 'node:crypto'
import { existsSync, lstatSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isRecord } from '#shared/document'
import { MeshError, reasonOf } from '#shared/errors'
import type { CaDocument } from './ca-document.ts'
import type { CaStore, HeldDocument, Texts } from './ca-store.ts'
import { writeWhole } from './write-whole.ts'

/** Everything of the CA, its keys included, in one file: there is never half of a change. */
export const CA_FILE = 'ca.json'

const DIR_MODE = 0o700
const FILE_MODE = 0o600

/** The CA in a folder, of a control plane without a cluster; one process at a time. */
export class FolderStore implements CaStore {
  readonly where: string
  readonly #dir: string

  /** @throws MeshError `CONFIG_INVALID` when others may write into the folder */
  constructor(dir: string) {
    this.#dir = dir
    this.where = join(dir, CA_FILE)
    mkdirSync(dir, { recursive: true, mode: DIR_MODE })
    requireClosed(dir, 0o022, 'may be written by others', '0700')
  }

  async read(): Promise<HeldDocument | undefined> {
    if (!existsSync(this.where)) return undefined
    requireClosed(this.where, 0o077, 'may be read by others', '0600')
    const text = readFileSync(this.where, 'utf8')
    return { texts: this.#parse(text), version: createHash('sha256').update(text).digest('hex'), request: '' }
  }

  async create(texts: Texts): Promise<boolean> {
    if (existsSync(this.where)) return false
    this.#write(texts)
    return true
  }

  async change(texts: Texts, version: string | undefined): Promise<boolean> {
    const held = await this.read()
    if (held === undefined || (version !== undefined && held.version !== version)) return false
    this.#write({ ...held.texts, ...texts })
    return true
  }

  #write(texts: Texts): void {
    const kept = Object.entries(texts).filter(([, text]) => text !== null)
    writeWhole(join(this.#dir, CA_FILE), `${JSON.stringify(Object.fromEntries(kept), null, 2)}\n`, FILE_MODE)
  }

  #parse(text: string): CaDocument {
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (cause) {
      throw invalid(`${this.where} is no JSON: ${reasonOf(cause)}; restore it, or remove it to make a new CA`, cause)
    }
    const isDocument = isRecord(value) && Object.values(value).every((each) => typeof each === 'string')
    if (!isDocument) throw invalid(`${this.where} is no file of a CA; restore it, or remove it to make a new CA`)
    return value as CaDocument
  }
}

/** A link could lead to where others write. */
function requireClosed(path: string, forbidden: number, problem: string, wanted: string): void {
  if (lstatSync(path).isSymbolicLink())
    throw invalid(`${path} is a link; the CA keeps its files in a folder of its own`)
  const { mode, uid } = statSync(path)
  if ((mode & forbidden) !== 0) throw invalid(`${path} ${problem}: set its mode to ${wanted}`)
  if (uid !== process.getuid?.() && uid !== 0) throw invalid(`${path} belongs to another user`)
}

function invalid(message: string, cause?: unknown): MeshError {
  return new MeshError('CONFIG_INVALID', message, { cause })
}
