import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { MeshError, reasonOf } from '#shared/errors'

/** Where the control plane or the CA is, and how both sides prove who they are (hbone-and-ztunnel a.1). */
export interface ControlPlaneEndpoint {
  /** Name or address, without brackets. */
  readonly host: string
  readonly port: number
  readonly roots: RootSource
  /** A second name under which the server's certificate is accepted. */
  readonly alternativeHost: string | undefined
  readonly token: TokenSource
  /** Sent as `clusterid` with every call. */
  readonly clusterId: string
  /** `XDS_HEADER_*` or `CA_HEADER_*`; names in lower case. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly allowTls12: boolean
  /** OpenSSL's list of groups; undefined = its default. */
  readonly keyExchangeGroups?: string | undefined
}

/** Where the roots come from that vouch for the server; a file is read afresh for each connection. */
export type RootSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'pem'; readonly pem: string }
  | { readonly kind: 'system' }

/** Where the bearer token comes from; a file is read afresh for each call. */
export type TokenSource =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'literal'; readonly token: string }
  | { readonly kind: 'none' }

const DEFAULT_PORT = 443

/**
 * Reads `XDS_ADDRESS` or `CA_ADDRESS`: `https://` is put in front when no scheme is given.
 *
 * @returns undefined for anything that is not an https URL of host and port only
 */
export function parseControlPlaneUrl(text: string): { readonly host: string; readonly port: number } | undefined {
  const url = URL.parse(text.includes('://') ? text : `https://${text}`)
  if (url === null || url.protocol !== 'https:' || url.username !== '' || url.search !== '' || url.hash !== '')
    return undefined
  if (url.hostname === '' || url.pathname !== '/') return undefined
  return { host: url.hostname.replace(/^\[(.*)\]$/, '$1'), port: url.port === '' ? DEFAULT_PORT : Number(url.port) }
}

/**
 * Reads `XDS_ROOT_CA` or `CA_ROOT_CA`: PEM text, `SYSTEM`, or a path; the default path when it is not set. A path need
 * not exist yet: who starts together with the control plane reads it when it connects.
 */
export function rootSource(setting: string | undefined, defaultPath: string): RootSource {
  if (setting === undefined) return { kind: 'file', path: defaultPath }
  if (setting === 'SYSTEM') return { kind: 'system' }
  return setting.includes('-----BEGIN') ? { kind: 'pem', pem: setting } : { kind: 'file', path: setting }
}

/**
 * Reads `AUTH_TOKEN`: a path if it exists or holds a slash (no token does), else the token itself; not set: the
 * default path if that exists now.
 */
export function tokenSource(setting: string | undefined, defaultPath: string): TokenSource {
  if (setting !== undefined) {
    const isPath = setting.includes('/') || existsSync(setting)
    return isPath ? { kind: 'file', path: setting } : { kind: 'literal', token: setting }
  }
  return existsSync(defaultPath) ? { kind: 'file', path: defaultPath } : { kind: 'none' }
}

/**
 * The roots as PEM; undefined = those of the operating system.
 *
 * @throws MeshError `CONFIG_INVALID` when the file cannot be read
 */
export async function readRoots(source: RootSource): Promise<string | undefined> {
  if (source.kind === 'system') return undefined
  if (source.kind === 'pem') return source.pem
  return read(source.path, 'root certificate file')
}

/**
 * The headers that every call carries. The token is used byte for byte.
 *
 * @throws MeshError `CONFIG_INVALID` when the token file cannot be read, is empty, or holds what no header can carry
 */
export async function readCallHeaders(endpoint: ControlPlaneEndpoint): Promise<[name: string, value: string][]> {
  const headers: [string, string][] = [['clusterid', endpoint.clusterId]]
  const { token: source } = endpoint
  if (source.kind !== 'none') {
    const token = source.kind === 'literal' ? source.token : await read(source.path, 'token file')
    const where = source.kind === 'literal' ? 'AUTH_TOKEN' : `token file ${source.path}`
    if (token === '') throw new MeshError('CONFIG_INVALID', `${where} is empty`)
    if (/[\r\n]$/.test(token))
      throw new MeshError('CONFIG_INVALID', `${where} ends with a line end; tokens are sent byte for byte: remove it`)
    if (!/^[\x21-\x7e]+$/.test(token))
      throw new MeshError('CONFIG_INVALID', `${where} holds characters that no token has`)
    headers.push(['authorization', `Bearer ${token}`])
  }
  for (const [name, value] of endpoint.headers) headers.push([name, value])
  return headers
}

async function read(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new MeshError('CONFIG_INVALID', `${what} ${path} cannot be read: ${reasonOf(cause)}`, { cause })
  }
}
