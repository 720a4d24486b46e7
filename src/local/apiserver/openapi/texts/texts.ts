/** What fields are, by their path without list marks: `spec.ports.name`. */
export type Texts = Readonly<Record<string, string>>

export function prefixed(prefix: string, texts: Texts): Texts {
  return Object.fromEntries(Object.entries(texts).map(([path, text]) => [`${prefix}.${path}`, text]))
}
