/** Where a value stands, as Kubernetes writes it in messages: `spec.http[0].route`; the root is the empty text. */
export function child(path: string, name: string): string {
  return path === '' ? name : `${path}.${name}`
}

export function item(path: string, index: number): string {
  return `${path}[${index}]`
}

/** A key of a map, where a rule of the whole schema speaks: `spec.labels[app]`. */
export function entry(path: string, key: string): string {
  return `${path}[${key}]`
}
