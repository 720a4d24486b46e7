import { availableParallelism, totalmem } from 'node:os'
import { join } from 'node:path'
import type { Clock } from '#shared/clock'
import type { Closer } from '#shared/lifecycle'
import type { Logger } from '#shared/telemetry'
import type { ApiObject, ObjectAccess } from '../apiserver/index.ts'
import type { Tools } from '../host/index.ts'
import type { ImageCatalog } from '../images/index.ts'
import { POD_FOLDER } from '../objects/index.ts'
import {
  ConfigSource,
  followedBy,
  type PodAddressFacts,
  type PodPlan,
  type PodRules,
  type PodVolumes,
  planPod,
  readKnownIds,
} from '../pod-plan/index.ts'
import { openPodVolumes, type PodToken } from '../volumes/index.ts'

export interface PodMakerSettings {
  readonly access: ObjectAccess
  readonly tools: Tools
  readonly clock: Clock
  readonly logger: Logger
  readonly images: ImageCatalog
  /** What every container gets. */
  readonly containerEnv: Readonly<Record<string, string>>
  /** A folder for each pod is below. */
  readonly podsDir: string
  readonly mintToken: (request: PodTokenOrder) => Promise<PodToken>
}

/** A token that a pod asks for. */
export interface PodTokenOrder {
  readonly namespace: string
  readonly serviceAccount: string
  readonly pod: { readonly name: string; readonly uid: string; readonly node: string }
  /** Undefined: the API itself. */
  readonly audience?: string
  readonly lifeSeconds: number
}

/** A pod's object as this machine runs it. */
export interface MadePod {
  readonly plan: PodPlan
  readonly volumes: PodVolumes
  readonly volumesDir: string
  /** Calls back when something changes that its containers or volumes may have been missing. @returns the end of it */
  readonly follow: (changed: () => void) => () => void
}

/** Where containers run whose pod says nothing of it. */
const DEFAULT_FOLDER = '/'

/** Makes of a pod's object what its runner needs, with all that the mesh knows: images, ConfigMaps, Secrets, tokens. */
export class PodMaker implements Closer {
  readonly rules: PodRules
  readonly #settings: PodMakerSettings
  readonly #config: ConfigSource
  readonly #machine = { cpus: availableParallelism(), memoryBytes: totalmem() }

  constructor(settings: PodMakerSettings) {
    this.#settings = settings
    this.#config = new ConfigSource(settings.access)
    this.rules = { images: settings.images, ids: readKnownIds() }
  }

  /** @param pod without problems of `rules` */
  make(pod: ApiObject, addresses: PodAddressFacts): MadePod {
    const { tools, clock, logger, images, containerEnv, podsDir } = this.#settings
    const { uid = '', annotations = {} } = pod.metadata
    const volumesDir = join(podsDir, uid, 'volumes')
    const common = { pod, addresses, config: this.#config, machine: this.#machine }
    return {
      volumesDir,
      follow: (changed) => this.#config.follow(pod.metadata.namespace ?? '', followedBy(pod), changed),
      plan: planPod({
        ...common,
        images,
        folder: annotations[POD_FOLDER] ?? DEFAULT_FOLDER,
        volumesDir,
        baseEnv: containerEnv,
      }),
      volumes: openPodVolumes({
        ...common,
        tools,
        clock,
        logger,
        dir: volumesDir,
        token: ({ audience, lifeSeconds }) => this.#mint(pod, audience, lifeSeconds),
      }),
    }
  }

  close(): Promise<void> {
    return this.#config.close()
  }

  #mint({ metadata, spec }: ApiObject, audience: string, lifeSeconds: number): Promise<PodToken> {
    const { namespace = '', name, uid = '' } = metadata
    const { serviceAccountName = 'default', nodeName = '' } = spec as {
      readonly serviceAccountName?: string
      readonly nodeName?: string
    }
    return this.#settings.mintToken({
      namespace,
      serviceAccount: serviceAccountName,
      pod: { name, uid, node: nodeName },
      ...(audience === '' ? {} : { audience }),
      lifeSeconds,
    })
  }
}
