import { systemClock } from '#shared/clock'
import { MeshError } from '#shared/errors'
import { KubeApiError, type KubeConnection, openKubeConnection } from '#shared/kube-client'
import type { Target } from './choose-target.ts'

/** A cluster that a command speaks with, and how it was chosen. */
export interface OpenTarget extends Target {
  readonly connection: KubeConnection
  /** The one that was asked for, else the kubeconfig's, else `default`. */
  readonly namespace: string
}

const TIMEOUT_MS = 30_000

/**
 * Runs `work` with a connection to the target. What goes wrong with the connection is told together with how the cluster
 * was chosen, since the wrong cluster is the likeliest reason.
 */
export async function withTarget<T>(
  target: Target,
  namespace: string | undefined,
  work: (open: OpenTarget) => Promise<T>,
): Promise<T> {
  const { from, access } = target
  const connection = await openKubeConnection(access, { clock: systemClock, timeoutMs: TIMEOUT_MS })
  const own = connection.namespace === '' ? 'default' : connection.namespace
  try {
    return await work({ ...target, connection, namespace: namespace ?? own })
  } catch (error) {
    throw explained(error, from)
  } finally {
    await connection.close()
  }
}

function explained(error: unknown, from: string): unknown {
  const isLogin = error instanceof KubeApiError && (error.status === 401 || error.status === 403)
  const isAway = error instanceof MeshError && error.code === 'KUBE_API_UNREACHABLE'
  if (!isLogin && !isAway) return error
  return new MeshError(error.code, `${error.message} (the cluster was chosen by ${from})`, { cause: error })
}
