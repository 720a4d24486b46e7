import { MeshError, reasonOf } from '#shared/errors'
import type { KubeConnection } from '#shared/kube-client'
import { ControlClient } from '../client/index.ts'
import { meshPods, podPage } from '../cluster/index.ts'

const MONITORING_PORT = 15_014

/** What one replica said. */
export type Page =
  | { readonly kind: 'answered'; readonly istiod: string; readonly text: string }
  | { readonly kind: 'failed'; readonly istiod: string; readonly reason: string }

/** All replicas of a control plane; each knows its own clients only. */
export interface ControlPlanes {
  /** A page of the monitoring port of each; none when none runs. */
  ask(path: string): Promise<readonly Page[]>
}

export function localControlPlane(stateDir: string): ControlPlanes {
  const client = new ControlClient(stateDir)
  return { ask: async (path) => [await page('istiod-lite', () => client.istiodPage(path))] }
}

export function clusterControlPlanes(connection: KubeConnection, namespace: string): ControlPlanes {
  return {
    async ask(path) {
      const pods = await meshPods(connection, namespace, 'app=istiod')
      return Promise.all(pods.map(({ id }) => page(id.name, () => podPage(connection, id, MONITORING_PORT, path))))
    },
  }
}

async function page(istiod: string, ask: () => Promise<string>): Promise<Page> {
  try {
    return { kind: 'answered', istiod, text: await ask() }
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    return { kind: 'failed', istiod, reason: reasonOf(error) }
  }
}
