import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Clock, Timer } from '#shared/clock'
import { reasonOf } from '#shared/errors'
import type { Logger } from '#shared/telemetry'
import type { ApiObject } from '../apiserver/index.ts'
import { runTool, type Tools } from '../host/index.ts'
import {
  type ConfigSource,
  type DownwardItem,
  type FilesPart,
  type FilesSource,
  type Followed,
  fieldValue,
  type MachineSize,
  missing,
  type PodAddressFacts,
  type PodSpec,
  type PodVolumes,
  readSpec,
  resourceValue,
  type VolumeSpec,
} from '../pod-plan/index.ts'
import {
  type FileSources,
  filesOfVolume,
  type KeptToken,
  type PodToken,
  type PodTokenRequest,
  type VolumeFiles,
} from './files-of-volume.ts'
import { makeEmptyFolder, type Ownership, writeVolume } from './volume-folder.ts'

export interface PodVolumesSettings {
  readonly pod: ApiObject
  readonly addresses: PodAddressFacts
  readonly config: ConfigSource
  readonly machine: MachineSize
  /** A new token of the pod's account. @throws MeshError when there is no such account */
  readonly token: (request: PodTokenRequest) => Promise<PodToken>
  readonly tools: Pick<Tools, 'mount' | 'umount'>
  readonly clock: Clock
  readonly logger: Logger
  /** Made and removed here; each volume is a folder of its name. */
  readonly dir: string
}

/** Kubernetes renews a projected token at this part of its life. */
const RENEW_PART = 0.8
const RETRY_MS = 5_000
/** The longest a timer may sleep. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** Volumes of one pod as files below `dir`: written before it starts, kept as their sources are, removed when it ends. */
export function openPodVolumes(settings: PodVolumesSettings): PodVolumes {
  return new Volumes(settings)
}

class Volumes implements PodVolumes {
  readonly #settings: PodVolumesSettings
  readonly #spec: PodSpec
  readonly #namespace: string
  /** What each folder holds, to write only what changed. */
  readonly #written = new Map<string, VolumeFiles>()
  readonly #tokens = new Map<FilesPart, KeptToken>()
  readonly #sources: FileSources
  readonly #tmpfs = new Set<string>()
  #unfollow: (() => void) | undefined
  #timer: Timer | undefined
  /** Rounds follow one another; one that is asked for while another runs, runs after it. */
  #round: Promise<void> = Promise.resolve()
  #isStale = false
  #isClosed = false

  constructor(settings: PodVolumesSettings) {
    this.#settings = settings
    this.#spec = readSpec(settings.pod)
    const { namespace = '', name } = settings.pod.metadata
    this.#namespace = namespace
    this.#sources = {
      namespace,
      config: (from) => settings.config.read(namespace, from),
      // Labels and annotations change while a pod runs.
      downward: (value) => this.#downward(settings.config.pod(namespace, name) ?? settings.pod, value),
      token: (part) => this.#token(part),
    }
  }

  async prepare(): Promise<void> {
    const { dir, config, pod } = this.#settings
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    await this.#next(() => this.#writeAll())
    if (this.#isClosed || this.#unfollow !== undefined) return
    const followed = this.#spec.volumes.flatMap(({ source }) =>
      source.kind === 'files' ? followedBy(source, pod) : [],
    )
    this.#unfollow = config.follow(this.#namespace, followed, () => this.#refresh())
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#unfollow?.()
    this.#timer?.cancel()
    await this.#next(async () => {
      for (const path of this.#tmpfs) await runTool(this.#settings.tools.umount, ['--lazy', path])
      this.#tmpfs.clear()
      rmSync(this.#settings.dir, { recursive: true, force: true })
    })
  }

  /** A failure reaches its own caller, and does not end the rounds after it. */
  #next(round: () => Promise<void>): Promise<void> {
    const done = this.#round.then(round)
    this.#round = done.catch(() => {})
    return done
  }

  /** Something changed: what can be read is written, and what cannot keeps its last good files. Never rejects. */
  #refresh(): void {
    if (this.#isClosed || this.#isStale) return
    this.#isStale = true
    this.#next(async () => {
      this.#isStale = false
      if (!this.#isClosed) await this.#writeAll()
    }).catch((error: unknown) => {
      const { logger, pod } = this.#settings
      logger.warn('a volume keeps its last files', {
        pod: `${this.#namespace}/${pod.metadata.name}`,
        reason: reasonOf(error),
      })
      this.#refreshIn(RETRY_MS)
    })
  }

  #refreshIn(delayMs: number): void {
    this.#timer?.cancel()
    if (this.#isClosed || delayMs === Number.POSITIVE_INFINITY) return
    this.#timer = this.#settings.clock.setTimer(Math.min(delayMs, MAX_TIMER_MS), () => this.#refresh())
  }

  /** Every volume is tried, whatever becomes of the others. @throws MeshError with all that is missing */
  async #writeAll(): Promise<void> {
    const problems: string[] = []
    let renewAtMs = Number.POSITIVE_INFINITY
    for (const volume of this.#spec.volumes) {
      try {
        renewAtMs = Math.min(renewAtMs, await this.#write(volume))
      } catch (error) {
        problems.push(`MountVolume.SetUp failed for volume ${JSON.stringify(volume.name)} : ${reasonOf(error)}`)
      }
    }
    this.#refreshIn(renewAtMs - this.#settings.clock.nowMs())
    if (problems.length > 0) throw missing(problems.join('; '))
  }

  /** @returns when it has to be written again */
  async #write({ name, source }: VolumeSpec): Promise<number> {
    const path = join(this.#settings.dir, name)
    const group = { group: this.#spec.securityContext.fsGroup }
    if (source.kind === 'files') return this.#writeFiles(path, source, group)
    if (source.kind === 'host' || this.#written.has(path)) return Number.POSITIVE_INFINITY
    if (source.isMemory) await this.#mountMemory(path, source.maxBytes)
    makeEmptyFolder(path, group)
    this.#written.set(path, new Map())
    return Number.POSITIVE_INFINITY
  }

  async #mountMemory(path: string, maxBytes: number | undefined): Promise<void> {
    mkdirSync(path, { recursive: true })
    const options = maxBytes === undefined ? [] : ['-o', `size=${maxBytes}`]
    await runTool(this.#settings.tools.mount, ['-t', 'tmpfs', ...options, 'tmpfs', path])
    this.#tmpfs.add(path)
  }

  async #writeFiles(path: string, source: FilesSource, ownership: Ownership): Promise<number> {
    const { files, renewAtMs } = await filesOfVolume(source, this.#sources)
    const before = this.#written.get(path)
    if (before === undefined || !isDeepStrictEqual(before, files)) writeVolume(path, files, ownership)
    this.#written.set(path, files)
    return renewAtMs
  }

  #downward(pod: ApiObject, value: DownwardItem['value']): string {
    const { addresses, machine } = this.#settings
    if (value.kind === 'field') return fieldValue(pod, value.field, addresses)
    const { initContainers, containers } = this.#spec
    const container = [...initContainers, ...containers].find(({ name }) => name === value.resource.containerName)
    if (container === undefined) throw missing(`there is no container ${value.resource.containerName}`)
    return resourceValue(container, value.resource, machine)
  }

  /** Asked for again when most of its life is over, and not when something else of the volume changes. */
  async #token(part: Extract<FilesPart, { readonly kind: 'token' }>): Promise<KeptToken> {
    const nowMs = this.#settings.clock.nowMs()
    const held = this.#tokens.get(part)
    if (held !== undefined && nowMs < held.renewAtMs) return held
    const { token, expiresAtMs } = await this.#settings.token(part)
    const kept = { token, renewAtMs: nowMs + (expiresAtMs - nowMs) * RENEW_PART }
    this.#tokens.set(part, kept)
    return kept
  }
}

/** What a volume's files are made from, and so change with. */
function followedBy({ parts }: FilesSource, { metadata }: ApiObject): readonly Followed[] {
  return parts.flatMap((part): readonly Followed[] => {
    if (part.kind === 'config') return [part.from]
    return part.kind === 'downward' ? [{ kind: 'Pod', name: metadata.name }] : []
  })
}
