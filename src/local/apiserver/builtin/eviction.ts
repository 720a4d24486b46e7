import { ApiError } from '../api-error.ts'
import { selectorText } from '../objects/scale.ts'
import { parseLabelSelector } from '../selectors/index.ts'
import type { ApiObject, ObjectAccess } from '../types.ts'
import { at, listAt, numberAt } from './define.ts'

/** `pods/eviction`: deletes the pod if its disruption budgets allow it. @throws ApiError TooManyRequests if not */
export async function evict(
  pod: ApiObject,
  eviction: ApiObject,
  _context: unknown,
  access: ObjectAccess,
): Promise<ApiObject> {
  const { name, namespace = '', labels } = pod.metadata
  const { items } = access.list({ group: 'policy', resource: 'poddisruptionbudgets', namespace })
  const budgets = items.filter((one) => {
    const selector = at(one, 'spec', 'selector')
    return selector !== undefined && parseLabelSelector(selectorText(selector))(labels)
  })
  const budget = budgets.find((one) => !allows(one))
  if (budget !== undefined)
    throw new ApiError('TooManyRequests', "Cannot evict pod as it would violate the pod's disruption budget.", {
      causes: [
        {
          reason: 'DisruptionBudget',
          message: `The disruption budget ${budget.metadata.name} needs more healthy pods`,
        },
      ],
    })
  for (const one of budgets) await spend(one, access)
  const grace = at(eviction, 'deleteOptions', 'gracePeriodSeconds')
  const options = typeof grace === 'number' ? { gracePeriodSeconds: grace } : {}
  await access.delete({ group: '', resource: 'pods', namespace, name }, options)
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 } as unknown as ApiObject
}

/** What one eviction has used is no other's, whoever asks before the budget is counted anew. */
async function spend(budget: ApiObject, access: ObjectAccess): Promise<void> {
  const { name, namespace = '', resourceVersion } = budget.metadata
  const allowed = numberAt(budget, 'status', 'disruptionsAllowed')
  if (allowed === 0) return
  const change = { metadata: { resourceVersion }, status: { disruptionsAllowed: allowed - 1 } }
  const ref = { group: 'policy', resource: 'poddisruptionbudgets', namespace, name }
  await access.patch(ref, 'merge', change, { subresource: 'status' })
}

function allows(budget: ApiObject): boolean {
  return numberAt(budget, 'status', 'disruptionsAllowed') > 0 || listAt(budget, 'status', 'conditions').length === 0
}
