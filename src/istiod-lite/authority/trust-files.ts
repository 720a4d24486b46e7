import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { reasonOf } from '#shared/errors'
import type { Logger } from '#shared/telemetry'
import type { AuthorityKeeper } from './keeper.ts'
import { writeWhole } from './write-whole.ts'

export const ROOT_FILE = 'root-cert.pem'
export const CRL_FILE = 'ca-crl.pem'
const MODE = 0o644
const DIR_MODE = 0o700

/** Keeps what is to be trusted in files of a folder, for those who run beside. */
export function keepTrustFiles(dir: string, keeper: AuthorityKeeper, logger: Logger): () => void {
  const write = (): void => {
    const { notice } = keeper
    if (notice === undefined) return
    try {
      mkdirSync(dir, { recursive: true, mode: DIR_MODE })
      writeWhole(join(dir, ROOT_FILE), notice.rootsPem, MODE)
      if (notice.crlPem === undefined) rmSync(join(dir, CRL_FILE), { force: true })
      else writeWhole(join(dir, CRL_FILE), notice.crlPem, MODE)
    } catch (error) {
      logger.error('roots cannot be written', { dir, reason: reasonOf(error) })
    }
  }
  write()
  return keeper.onChange(write)
}
