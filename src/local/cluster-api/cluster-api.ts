import { arch, availableParallelism, release, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '#shared/clock'
import { AMBIT_VERSION } from '#shared/control'
import type { Closer } from '#shared/lifecycle'
import { type IpAddress, ipFamily, parseCidr } from '#shared/net'
import type { Logger } from '#shared/telemetry'
import {
  type ApiObject,
  type ApiServer,
  apiServerDefaults,
  installMeshCrds,
  type ObjectAccess,
  type PodBackend,
  readMeshCrds,
  serverParts,
  startApiServer,
  Webhooks,
  writeKubeconfig,
} from '../apiserver/index.ts'
import { forgetNodes, registerNode, ServiceAddresses, startControllers } from '../controllers/index.ts'
import { API_ADDRESSES, type Nodes, SERVICE_CIDRS } from '../network/index.ts'
import { refusedServiceHook } from '../services/index.ts'
import { openStore, type Store, type StoreDamage, storeDefaults } from '../store/index.ts'
import { AccountTokens } from './account-tokens.ts'
import { makeApiService } from './api-service.ts'
import { makeIstiodService } from './istiod-service.ts'
import {
  MESH_NAMESPACE,
  makeMeshAccounts,
  makeProgramPod,
  type ProgramPod,
  removeProgramPods,
  showTunnelSet,
} from './mesh-accounts.ts'
import type { MeshAccount } from './mesh-rights.ts'

export interface ClusterApiSettings {
  readonly clock: Clock
  readonly logger: Logger
  readonly nodes: Nodes
  /** A listening socket of the machine's loopback, where kubectl comes in; undefined: only the fabric is served. */
  readonly machineFd: number | undefined
  readonly storeDir: string
  readonly pkiDir: string
  /** Tokens and kubeconfigs of the mesh's programs. */
  readonly accountsDir: string
  /** For kubectl. */
  readonly kubeconfig: string
  /** Of YAML, with a definition in each file. */
  readonly definitions: URL
  /** Where exec, attach, logs and port-forward end. */
  readonly pods: PodBackend
}

/** The Kubernetes API of one machine, with everything in it that a cluster has before its user comes. */
export interface ClusterApi extends Closer {
  readonly access: ObjectAccess
  /** Everything that is in a namespace, of any kind. */
  objectsIn(namespace: string): readonly ApiObject[]
  /** What was wrong with the objects' files, each in one sentence; nothing of it is lost. */
  readonly damage: readonly string[]
  readonly tunnelPods: readonly ProgramPod[]
  readonly tokens: AccountTokens
  /** The kubeconfig of a program of the mesh; its token is kept fresh. */
  kubeconfigOf(account: MeshAccount): Promise<string>
}

/** Kubernetes' own for API servers inside. */
const PORT = 6_443
/** Kubernetes' own. */
const NODE_PORTS = { first: 30_000, last: 32_767 }
/** By this its nodes are known. */
const RUNTIME = 'ambit://'
const ADMIN = { user: 'ambit-admin', group: 'system:masters' }

/** @throws MeshError when the store cannot be opened, or nobody can listen */
export async function openClusterApi(settings: ClusterApiSettings): Promise<ClusterApi> {
  const { clock, logger } = settings
  // Every answered write outlives the machine: all writes of one turn share one fdatasync, which takes 0.2 ms on an SSD
  // where the write alone takes 0.04, and nothing when many come at once.
  const store = await openStore({ ...storeDefaults, dir: settings.storeDir, sync: 'always' }, clock, logger)
  try {
    return await openOver(store, settings)
  } catch (error) {
    await store.close()
    throw error
  }
}

async function openOver(store: Store, settings: ClusterApiSettings): Promise<ClusterApi> {
  const { clock, logger, nodes } = settings
  const server = await startServer(settings, store)
  const { access, tokens: issuer, registry, caPem } = server
  const ranges = nodes.families.flatMap((family) => parseCidr(SERVICE_CIDRS[family]) ?? [])
  const addresses = new ServiceAddresses({ clock, ranges, nodePorts: NODE_PORTS })
  server.addAdmission(addresses.hook)
  server.addAdmission(refusedServiceHook)
  await Promise.all([
    installMeshCrds(readMeshCrds(settings.definitions), access),
    makeApiService(access, { ...apiPlaceOf(nodes), endpointPort: PORT }),
    ...nodes.list.map((node) => registerNode({ access, clock, logger }, factsOf(node))),
    removeProgramPods(access),
    forgetNodes(access, { keep: nodes.list.map(({ name }) => name), runtime: RUNTIME }),
  ])
  const controllers = startControllers({
    access,
    clock,
    logger,
    registry,
    caCertificatePem: caPem,
    addresses,
    mintToken: async ({ namespace, name, uid }, secret) => {
      const subject = { namespace, serviceAccount: { name, uid }, secret }
      return (await issuer.issue(subject, [], SECRET_TOKEN_SECONDS)).token
    },
  })
  // An earlier life may have ended while its namespace was being deleted; the controllers go on with that.
  await makeMeshAccounts(access, clock)
  const tunnelPods = await showPrograms(access, nodes)
  // What the mesh itself needs has been made: no webhook can keep it from coming up.
  server.addAdmission(new Webhooks({ access, clock, applyPatch: serverParts.applyPatch }))
  const tokens = new AccountTokens({ access, issuer, clock, logger, dir: settings.accountsDir })
  writeKubeconfig(settings.kubeconfig, {
    server: server.inheritedUrl ?? server.url,
    caPem,
    user: ADMIN.user,
    credential: { kind: 'certificate', pair: server.issueClient(ADMIN.user, ADMIN.group) },
  })
  return {
    access,
    objectsIn: (namespace) =>
      registry
        .definitions()
        .filter(({ isNamespaced }) => isNamespaced)
        .flatMap(({ group, plural: resource }) => access.list({ group, resource, namespace }).items),
    damage: store.damage.map((each) => damageText(settings.storeDir, each)),
    tunnelPods,
    tokens,
    async kubeconfigOf(account) {
      const path = join(settings.accountsDir, `${account}.kubeconfig`)
      const token = await tokens.keep({ namespace: MESH_NAMESPACE, serviceAccount: account }, `${account}.token`)
      writeKubeconfig(path, {
        server: server.url,
        caPem,
        user: account,
        credential: { kind: 'token-file', path: token },
      })
      return path
    },
    async close() {
      tokens.close()
      await controllers.close()
      await server.close()
      await store.close()
    },
  }
}

/** @returns the pods of the tunnels */
async function showPrograms(access: ObjectAccess, nodes: Nodes): Promise<readonly ProgramPod[]> {
  const places = nodes.list.map(({ name, addresses }) => ({ node: name, ips: addresses.map(({ ip }) => ip) }))
  const show = (program: 'ztunnel' | 'node-agent') =>
    places.map((place) => makeProgramPod(access, program, `${program}-${place.node}`, place))
  const istiod = { node: places[0]?.node ?? '', ips: nodes.fabricAddresses.map(({ ip }) => ip) }
  const [tunnels] = await Promise.all([
    Promise.all(show('ztunnel')),
    Promise.all(show('node-agent')),
    makeProgramPod(access, 'istiod-lite', 'istiod-lite', istiod),
    makeIstiodService(access),
    showTunnelSet(access, places.length),
  ])
  return tunnels
}

/** Tokens of Secrets have no end in Kubernetes; ten years are as good. */
const SECRET_TOKEN_SECONDS = 10 * 365 * 24 * 3_600

async function startServer(
  { clock, logger, nodes, pkiDir, machineFd, pods }: ClusterApiSettings,
  store: Store,
): Promise<ApiServer> {
  const [host, ...others] = nodes.fabricAddresses.map(({ ip }) => ip)
  const addresses = [...others, apiPlaceOf(nodes).address]
  const settings = {
    ...apiServerDefaults,
    host: host as IpAddress,
    port: PORT,
    addresses,
    inheritedFd: machineFd,
    pkiDir,
  }
  return startApiServer(settings, store, serverParts, pods, clock, logger.child('api'))
}

/** Where the API listens, and where pods find it. */
function apiPlaceOf({ fabricAddresses }: Nodes): { readonly address: IpAddress; readonly endpoint: IpAddress } {
  // Every fabric has an address, the first family's first.
  const endpoint = fabricAddresses[0]?.ip as IpAddress
  return { address: API_ADDRESSES[ipFamily(endpoint)], endpoint }
}

const KIB = 1024

function factsOf({ name, addresses, podCidrs }: Nodes['list'][number]): Parameters<typeof registerNode>[1] {
  const machine = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': goArch() }
  return {
    name,
    labels: machine,
    // Addresses of a node are keyed by their type, so there is one of the machine's own: the first family's.
    addresses: addresses.slice(0, 1).map(({ ip }) => ip),
    podCidrs,
    isReady: true,
    message: 'the node is a network namespace of this machine',
    capacity: { cpu: `${availableParallelism()}`, memory: `${Math.floor(totalmem() / KIB)}Ki`, pods: '253' },
    nodeInfo: {
      machineID: '',
      systemUUID: '',
      bootID: '',
      kernelVersion: release(),
      osImage: 'ambit',
      containerRuntimeVersion: `${RUNTIME}${AMBIT_VERSION}`,
      kubeletVersion: `v${AMBIT_VERSION}`,
      kubeProxyVersion: '',
      operatingSystem: 'linux',
      architecture: goArch(),
    },
  }
}

function damageText(dir: string, damage: StoreDamage): string {
  const file = join(dir, damage.file)
  return damage.kind === 'torn-tail'
    ? `${file} ended in the middle of a write that nobody was told of (${damage.lostBytes} bytes); it was cut off`
    : `${file} is damaged at byte ${damage.offset} (${damage.problem}): all writes from there on are missing, and kept in ${join(dir, damage.keptAs)}`
}

function goArch(): string {
  return arch() === 'x64' ? 'amd64' : arch()
}
