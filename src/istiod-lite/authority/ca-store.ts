import type { CaDocument } from './ca-document.ts'

/** A document with the version that the next write must be based on. */
export interface HeldDocument {
  readonly texts: CaDocument
  readonly version: string
  /** What `ambit ca rotate` asked for; empty when nobody ever asked. */
  readonly request: string
}

export type Texts = Readonly<Record<string, string | null>>

/** Where the CA is kept for all replicas and all starts. */
export interface CaStore {
  /** For messages. */
  readonly where: string
  /** Undefined when there is none yet. */
  read(): Promise<HeldDocument | undefined>
  /** @returns false when somebody else was first */
  create(texts: Texts): Promise<boolean>
  /**
   * Sets texts, removes those that are null, leaves all others.
   *
   * @param version undefined: whatever it is now, for texts that nobody else writes
   * @returns false when it is another version now, or gone
   */
  change(texts: Texts, version: string | undefined): Promise<boolean>
}
