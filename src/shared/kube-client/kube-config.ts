import { existsSync, readFileSync } from 'node:fs'
import type { RequestOptions } from 'node:https'
import { isIPv6 } from 'node:net'
import { type Cluster, KubeConfig } from '@kubernetes/client-node'
import { MeshError, reasonOf } from '#shared/errors'
import type { KubeLogin } from './login.ts'
import type { KubeAccess } from './types.ts'

const ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount'

/** A login with what its kubeconfig says beside it. */
export interface ConfiguredLogin extends KubeLogin {
  readonly context: string
  /** Of the context, or of the pod that this is; empty when none is named. */
  readonly namespace: string
}

/** @throws MeshError `CONFIG_INVALID` naming the file, and what is wrong with it */
export function openLogin(access: KubeAccess): ConfiguredLogin {
  const config = access.kind === 'kubeconfig' ? readFiles(access.files, access.context) : inCluster(access)
  const cluster = config.getCurrentCluster() as Cluster
  const context = config.getCurrentContext()
  return {
    context,
    namespace: access.kind === 'in-cluster' ? ownNamespace() : (config.getContextObject(context)?.namespace ?? ''),
    server: serverUrl(cluster),
    isProxied: cluster.proxyUrl !== undefined && cluster.proxyUrl !== '',
    async options() {
      const options: RequestOptions = {}
      await config.applyToHTTPSOptions(options)
      return options
    },
  }
}

function readFiles(files: readonly string[], context: string | undefined): KubeConfig {
  const where = files.join(', ')
  // As kubectl: of several files some may be missing.
  const found = files.length === 1 ? files : files.filter((file) => existsSync(file))
  if (found.length === 0) throw invalid(`there is no kubeconfig at ${where === '' ? 'an empty path' : where}`)
  const config = new KubeConfig()
  for (const file of found) merge(config, readFile(file))
  if (context !== undefined) config.setCurrentContext(context)
  const name = config.getCurrentContext()
  if (!name) throw invalid(`${where} has no current context: choose one with kubectl config use-context`)
  if (config.getContextObject(name) === null) throw invalid(`${where} has no context ${JSON.stringify(name)}`)
  if (config.getCurrentCluster() === null) throw invalid(`${where}: the cluster of context ${name} is not there`)
  return config
}

function readFile(file: string): KubeConfig {
  const config = new KubeConfig()
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
function inCluster({ host, port }: Extract<KubeAccess, { kind: 'in-cluster' }>): KubeConfig {
  const config = new KubeConfig()
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

function ownNamespace(): string {
  try {
    return readFileSync(`${ACCOUNT_FOLDER}/namespace`, 'utf8').trim()
  } catch {
    return ''
  }
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
