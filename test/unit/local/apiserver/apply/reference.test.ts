import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { conflictMessage, fieldManagement } from '../../../../../src/local/apiserver/apply/index.ts'
import type { ApiObject, ManagedFieldsEntry, ResourceDefinition } from '../../../../../src/local/apiserver/types.ts'
import { applyScope } from '../../../../support/apply-scope.ts'

interface Step {
  readonly op: 'apply' | 'update'
  readonly manager: string
  readonly force?: boolean
  readonly body: ApiObject
  readonly error?: string
  readonly object?: ApiObject
  readonly managedFields?: readonly ManagedFieldsEntry[]
}

/** What the reference implementation did with the same steps, recorded; to it the test objects were of a kind without a status subresource. */
const runs = JSON.parse(
  readFileSync(new URL('../../../../golden/server-side-apply.json', import.meta.url), 'utf8'),
) as readonly (readonly Step[])[]

const definition = { ...applyScope('x').definition, subresources: new Map(), origin: 'custom' } as ResourceDefinition

describe('a conversation of managers comes out as with the reference implementation', () => {
  test.each(runs.map((steps, index) => [index, steps] as const))('conversation %i', (_index, steps) => {
    let live: ApiObject | undefined
    for (const step of steps) {
      const scope = applyScope(step.manager, { definition })
      if (step.op === 'update') {
        const managedFields = fieldManagement.track(live, step.body, scope)
        live = { ...step.body, metadata: { ...step.body.metadata, managedFields } }
      } else {
        const outcome = fieldManagement.apply(live, step.body, scope, step.force ?? false)
        if (step.error === undefined) expect(outcome.kind).toBe('applied')
        else expect(outcome.kind).toBe('conflict')
        if (outcome.kind === 'conflict') {
          const message = conflictMessage(outcome.causes)
          expect(linesOf(withoutTimes(message))).toEqual(linesOf(withoutTimes(step.error ?? '')))
        }
        if (outcome.kind === 'applied') live = outcome.object
      }
      if (step.object === undefined || live === undefined) continue
      const { managedFields, ...metadata } = live.metadata
      expect({ ...live, metadata }).toEqual(step.object)
      expect(ownersOf(managedFields)).toEqual(ownersOf(step.managedFields))
    }
  })
})

function ownersOf(entries: readonly ManagedFieldsEntry[] = []): unknown {
  const owners = entries.map((entry) => [`${entry.manager} ${entry.operation} ${entry.apiVersion}`, entry.fieldsV1])
  return Object.fromEntries(owners)
}

function withoutTimes(message: string): string {
  return message.replaceAll(/ at \d{4}-[^:]+:\d\d:\d\dZ/g, '')
}

function linesOf(message: string): readonly string[] {
  return message.split('\n').sort()
}
