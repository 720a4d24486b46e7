/** An image as people write it, taken apart. */
export interface ImageReference {
  /** With its registry, but for Docker Hub's, which nobody has to write: `ambit/echo`, `ghcr.io/a/b`, `nginx`. */
  readonly name: string
  /** `latest` when none is written. */
  readonly tag: string
}

const HUB = /^(?:(?:index\.)?docker\.io\/)(?:library\/)?|^library\//

/** `docker.io/ambit/echo:1.0@sha256:…` is `ambit/echo` with tag `1.0`; the digest says nothing here. */
export function parseImage(written: string): ImageReference {
  const [named = ''] = written.trim().split('@', 1)
  // A colon before a slash is the port of a registry.
  const colon = named.indexOf(':', named.lastIndexOf('/') + 1)
  const name = (colon < 0 ? named : named.slice(0, colon)).replace(HUB, '')
  return { name, tag: colon < 0 ? 'latest' : named.slice(colon + 1) }
}
