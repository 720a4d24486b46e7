import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, SignJWT } from 'jose'
import { systemClock } from '#shared/clock'
import type { Authorization, MeshAddress } from '#shared/model'
import { Log, Metrics } from '#shared/telemetry'
import {
  type AdsClient,
  addressType,
  authorizationType,
  type ControlPlaneEndpoint,
  type Rejection,
  type ResourceUpdate,
  type Subscription,
  startAdsClient,
} from '#shared/xds'
import { type Istiod, startIstiod } from '../../src/istiod-lite/app.ts'
import { type IstiodConfig, readIstiodConfig } from '../../src/istiod-lite/config.ts'
import { ScriptedAdsClient } from './ads-peer.ts'
import { quietLogger } from './quiet-logger.ts'

/** What a service-account token says; see `tokenFor`. */
export interface TokenClaims {
  readonly namespace?: string
  readonly serviceAccount?: string
  readonly podName?: string
  readonly podUid?: string
  /** `null` = the claim is not there. */
  readonly node?: string | null
  readonly audience?: string
  readonly issuer?: string
  readonly subject?: string
  readonly lifeSeconds?: number
}

/** Issues tokens as a cluster's API server would. */
export class TokenIssuer {
  readonly #key: KeyObject
  readonly publicKey: KeyObject

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    this.#key = privateKey
    this.publicKey = publicKey
  }

  async jwks(): Promise<string> {
    return JSON.stringify({ keys: [{ ...(await exportJWK(this.publicKey)), alg: 'ES256', kid: 'k' }] })
  }

  /** By default of the tunnel of node-a. */
  token(claims: TokenClaims = {}): Promise<string> {
    const { namespace = 'istio-system', serviceAccount = 'ztunnel', node = 'node-a' } = claims
    const now = Math.floor(systemClock.nowMs() / 1000)
    return new SignJWT({
      'kubernetes.io': {
        namespace,
        serviceaccount: { name: serviceAccount, uid: 'sa-uid' },
        pod: { name: claims.podName ?? 'ztunnel-a', uid: claims.podUid ?? 'pod-uid' },
        ...(node === null ? {} : { node: { name: node } }),
      },
    })
      .setProtectedHeader({ alg: 'ES256', kid: 'k' })
      .setIssuer(claims.issuer ?? 'https://kubernetes.default.svc')
      .setSubject(claims.subject ?? `system:serviceaccount:${namespace}:${serviceAccount}`)
      .setAudience(claims.audience ?? 'istio-ca')
      .setIssuedAt(now)
      .setExpirationTime(now + (claims.lifeSeconds ?? 3600))
      .sign(this.#key)
  }
}

/** Folders, tokens and settings of a control plane in a temporary place; it can be started several times. */
export class IstiodPlace {
  readonly dir: string = mkdtempSync(join(tmpdir(), 'ambit-istiod-'))
  readonly kubeDir: string = join(this.dir, 'kube')
  readonly stateDir: string = join(this.dir, 'state')
  readonly jwksFile: string = join(this.dir, 'jwks.json')
  readonly issuer: TokenIssuer = new TokenIssuer()
  readonly metrics: Metrics[] = []
  readonly lines: string[] = []
  readonly #clients: AdsClient[] = []
  readonly #scripts: ScriptedAdsClient[] = []
  readonly #running: Istiod[] = []

  static async make(): Promise<IstiodPlace> {
    const place = new IstiodPlace()
    mkdirSync(place.kubeDir)
    writeFileSync(place.jwksFile, await place.issuer.jwks())
    return place
  }

  /** Replaces a file of the watched folder as a whole. */
  write(name: string, text: string): void {
    const beside = join(this.dir, 'beside')
    writeFileSync(beside, text)
    renameSync(beside, join(this.kubeDir, name))
  }

  remove(name: string): void {
    unlinkSync(join(this.kubeDir, name))
  }

  get env(): Readonly<Record<string, string>> {
    return {
      AMBIT_KUBE_DIR: this.kubeDir,
      AMBIT_STATE_DIR: this.stateDir,
      AMBIT_CACERTS_DIR: join(this.dir, 'cacerts'),
      AMBIT_TOKEN_JWKS: this.jwksFile,
      AMBIT_GRPC_PORT: '0',
      AMBIT_HTTP_PORT: '0',
      AMBIT_MONITORING_PORT: '0',
      AMBIT_WEBHOOK_PORT: '0',
    }
  }

  /** In this process. */
  async start(env: Readonly<Record<string, string>> = {}): Promise<Istiod> {
    const config: IstiodConfig = readIstiodConfig({ ...this.env, ...env })
    const output = { line: (text: string): void => void this.lines.push(text.replaceAll(this.dir, 'DIR')) }
    const log = new Log({ format: 'plain', filter: 'debug', clock: systemClock, output })
    const metrics = new Metrics()
    this.metrics.push(metrics)
    const istiod = await startIstiod(config, { clock: systemClock, log, metrics, control: { stop: () => {} } })
    this.#running.push(istiod)
    return istiod
  }

  endpoint(port: number, token: string): ControlPlaneEndpoint {
    return {
      host: '127.0.0.1',
      port,
      roots: { kind: 'file', path: join(this.stateDir, 'root-cert.pem') },
      alternativeHost: undefined,
      token: { kind: 'literal', token },
      clusterId: 'Kubernetes',
      headers: [],
      allowTls12: false,
    }
  }

  get rootPem(): string {
    return readFileSync(join(this.stateDir, 'root-cert.pem'), 'utf8')
  }

  async connect(istiod: Istiod, settings: Partial<MeshMirrorSettings> = {}): Promise<MeshMirror> {
    await istiod.serving
    const token = settings.token ?? (await this.issuer.token())
    const mirror = new MeshMirror(this.endpoint(istiod.ports.grpc, token), settings)
    this.#clients.push(mirror.client)
    return mirror
  }

  /** A client that does what the test says, with the token of a tunnel. */
  async script(istiod: Istiod, token?: string): Promise<ScriptedAdsClient> {
    await istiod.serving
    const headers = { authorization: `Bearer ${token ?? (await this.issuer.token())}` }
    const client = new ScriptedAdsClient(istiod.ports.grpc, this, headers)
    this.#scripts.push(client)
    return client
  }

  async end(): Promise<void> {
    for (const script of this.#scripts) script.close()
    await Promise.all(this.#clients.map((client) => client.close()))
    await Promise.all(this.#running.map((istiod) => istiod.close()))
    rmSync(this.dir, { recursive: true, force: true })
  }
}

interface MeshMirrorSettings {
  readonly token: string
  readonly node: string
  readonly mode: 'wildcard' | 'on-demand'
  /** Refuses resources of that name. */
  readonly refuses: (name: string) => boolean
}

/** A client that keeps what it is sent, and the list of what came when. */
export class MeshMirror {
  readonly client: AdsClient
  readonly addresses: Map<string, MeshAddress> = new Map()
  readonly policies: Map<string, Authorization> = new Map()
  /** One entry a response: `+name` and `-name`, sorted. */
  readonly responses: string[][] = []
  readonly #waiting = new Set<() => void>()

  constructor(endpoint: ControlPlaneEndpoint, settings: Partial<MeshMirrorSettings> = {}) {
    const { node = 'node-a', mode = 'wildcard', refuses = () => false } = settings
    const apply = <T>(held: Map<string, T>, update: ResourceUpdate<T>): readonly Rejection[] => {
      const names = [...update.changed.map(({ name }) => `+${name}`), ...update.removed.map((name) => `-${name}`)]
      this.responses.push(names.sort())
      const refused = update.changed.filter(({ name }) => refuses(name))
      for (const { name, resource } of update.changed) if (!refuses(name)) held.set(name, resource)
      for (const name of update.removed) held.delete(name)
      for (const check of [...this.#waiting]) check()
      return refused.map(({ name }) => ({ name, reason: 'not wanted' }))
    }
    const addresses: Subscription<MeshAddress> = {
      type: addressType,
      mode,
      apply: (update) => apply(this.addresses, update),
    }
    const policies: Subscription<Authorization> = {
      type: authorizationType,
      mode: 'wildcard',
      apply: (update) => apply(this.policies, update),
    }
    this.client = startAdsClient({
      endpoint,
      node: { id: `ztunnel~10.0.0.1~ztunnel-a.istio-system~${node}`, metadata: { NODE_NAME: node } },
      subscriptions: [addresses, policies] as readonly Subscription<unknown>[] as readonly Subscription<never>[],
      clock: systemClock,
      log: quietLogger,
    })
  }

  /** Resolves once `isSo` holds, asked after each response. */
  until(isSo: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const check = (): void => {
        if (!isSo()) return
        this.#waiting.delete(check)
        resolve()
      }
      this.#waiting.add(check)
      check()
    })
  }

  /** Names of everything held, sorted. */
  get names(): readonly string[] {
    return [...this.addresses.keys(), ...this.policies.keys()].sort()
  }
}
