import { existsSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import { isIPv6 } from 'node:net'
import type { Cluster, KubeConfig } from '@kubernetes/client-node'
import { MeshError, reasonOf } from '#shared/errors'
import type { KubeAccess } from './types.ts'

/** Where the server is, and what proves to it who we are. */
export interface KubeLogin {
  readonly server: URL
  /** A proxy's agent must be used as it is; without a proxy the agent is ours. */
  readonly isProxied: boolean
  /** Certificates, tokens and headers for one request; asked for anew each time, since they change while we run. */
  options(): Promise<RequestOptions>
}

const ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'

type NewConfig = () => KubeConfig

/**
 * The client library is loaded only here and now: it takes some 30 MB, and a program may not need it.
 * @throws MeshError `CONFIG_INVALID` naming the file, and what is wrong with it
 */
export async function openLogin(access: KubeAccess): Promise<KubeLogin> {
  const library = await import('@kubernetes/client-node')
  const create: NewConfig = () => new library.KubeConfig()
  const config =
    access.kind === 'kubeconfig' ? readFiles(create, access.files, access.context) : inCluster(create(), access)
  const cluster = config.getCurrentCluster() as Cluster
  return {
    server: serverUrl(cluster),
    isProxied: cluster.proxyUrl !== undefined && cluster.proxyUrl !== '',
    async options() {
      const options: RequestOptions = {}
      await config.applyToHTTPSOptions(options)
      return options
    },
  }
}

function readFiles(create: NewConfig, files: readonly string[], context: string | undefined): KubeConfig {
  const where = files.join(', ')
  // As kubectl: of several files some may be missing.
  const found = files.length === 1 ? files : files.filter((file) => existsSync(file))
  if (found.length === 0) throw invalid(`there is no kubeconfig at ${where === '' ? 'an empty path' : where}`)
  const config = create()
  for (const file of found) merge(config, readFile(create(), file))
  if (context !== undefined) config.setCurrentContext(context)
  const name = config.getCurrentContext()
  if (!name) throw invalid(`${where} has no current context: choose one with kubectl config use-context`)
  if (config.getContextObject(name) === null) throw invalid(`${where} has no context ${JSON.stringify(name)}`)
  if (config.getCurrentCluster() === null) throw invalid(`${where}: the cluster of context ${name} is not there`)
  return config
}

function readFile(config: KubeConfig, file: string): KubeConfig {
  try {
    config.loadFromFile(file)
  } catch (cause) {
    throw invalid(`kubeconfig ${file} cannot be read: ${reasonOf(cause)}`, cause)
  }
  return config
}

/** What is there already stays: the earlier file counts. */
function merge(into: KubeConfig, from: KubeConfig): void {
  for (const cluster of from.getClusters()) if (into.getCluster(cluster.name) === null) into.addCluster(cluster)
  for (const user of from.getUsers()) if (into.getUser(user.name) === null) into.addUser(user)
  for (const context of from.getContexts()) if (into.getContextObject(context.name) === null) into.addContext(context)
  if (!into.getCurrentContext() && from.getCurrentContext()) into.setCurrentContext(from.getCurrentContext())
}

/** The token is a file that the kubelet renews; the client library reads it again. */
function inCluster(config: KubeConfig, { host, port }: Extract<KubeAccess, { kind: 'in-cluster' }>): KubeConfig {
  config.loadFromClusterAndUser(
    {
      name: 'in-cluster',
      server: `https://${isIPv6(host) ? `[${host}]` : host}:${port}`,
      caFile: `${ACCOUNT_FOLDER}/ca.crt`,
      skipTLSVerify: false,
    },
    { name: 'service-account', authProvider: { name: 'tokenFile', config: { tokenFile: `${ACCOUNT_FOLDER}/token` } } },
  )
  return config
}

function serverUrl({ server, name, skipTLSVerify }: Cluster): URL {
  const url = URL.parse(server)
  if (url === null || !['https:', 'http:'].includes(url.protocol))
    throw invalid(`cluster ${name}: ${JSON.stringify(server)} is no URL of an API server`)
  // A token would go over the wire for everybody to read.
  if (url.protocol === 'http:' && !skipTLSVerify)
    throw invalid(`cluster ${name}: ${server} is not encrypted; insecure-skip-tls-verify: true allows it all the same`)
  return url
}

function invalid(message: string, cause?: unknown): MeshError {
  return new MeshError('CONFIG_INVALID', message, { cause })
}
