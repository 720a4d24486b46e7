/** Something that lives until it is closed; closing twice is safe and gives the same end. */
export interface Closer {
  close(): Promise<void>
}
