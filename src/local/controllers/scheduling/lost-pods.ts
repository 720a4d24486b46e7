import type { Controller, Environment } from '../core/controller.ts'
import { keyOf, listOf, NODES, ownKey, PODS, read, refOf, refTo } from '../core/kinds.ts'

/** Pods of a node that is gone go too, at once: nobody is left who could end them slowly. */
export function lostPods({ access }: Environment): Controller {
  return {
    name: 'lost-pods',
    watches: [
      { kind: PODS, keysOf: ({ type, object }) => (type === 'DELETED' ? [] : ownKey({ object })) },
      {
        kind: NODES,
        keysOf: ({ type, object }) =>
          type === 'DELETED'
            ? listOf(access, PODS, '')
                .filter(({ spec }) => spec.nodeName === object.metadata.name)
                .map(keyOf)
            : [],
      },
    ],
    async reconcile(key) {
      const pod = read(access, PODS, key)
      const node = pod?.spec.nodeName ?? ''
      if (pod === undefined || node === '' || access.get(refOf(NODES, '', node)) !== undefined) return undefined
      const { uid } = pod.metadata
      await access.delete(refTo(PODS, pod), { gracePeriodSeconds: 0, preconditions: { uid } })
      return undefined
    },
  }
}
