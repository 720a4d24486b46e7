import { describe, expect, it } from 'vitest'
import { acceptance } from '../../../../src/cli/cluster/index.ts'

const accepted = { type: 'Accepted', status: 'True' }
const route = (status: object | undefined, generation = 2): Record<string, unknown> => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'HTTPRoute',
  metadata: { name: 'a', generation },
  status,
})
const done = { kind: 'done' }
const wait = (reason: string): object => ({ kind: 'wait', reason })

describe('whether controllers have accepted an object', () => {
  it.each<[string, Record<string, unknown>, object]>([
    ['of a kind that nobody accepts', { apiVersion: 'v1', kind: 'ConfigMap' }, done],
    [
      'of a kind whose conditions say other things',
      { apiVersion: 'apps/v1', kind: 'Deployment', status: { conditions: [{ type: 'Available', status: 'False' }] } },
      done,
    ],
    ['that nobody has answered', route(undefined), wait('no controller has taken it up')],
    ['that needs no answer', { ...route(undefined), kind: 'ReferenceGrant' }, done],
    ['accepted', route({ conditions: [accepted] }), done],
    ['accepted by each parent', route({ parents: [{ conditions: [accepted] }, { conditions: [accepted] }] }), done],
    [
      'refused by one parent',
      route({
        parents: [
          { conditions: [accepted] },
          { conditions: [{ type: 'Accepted', status: 'False', reason: 'NoMatchingParent', message: 'no such port' }] },
        ],
      }),
      wait('Accepted=False, NoMatchingParent, no such port'),
    ],
    [
      'refused by an ancestor',
      route({ ancestors: [{ conditions: [{ type: 'Accepted', status: 'False' }] }] }),
      wait('Accepted=False'),
    ],
    [
      'accepted in an older state',
      route({ conditions: [{ ...accepted, observedGeneration: 1 }] }),
      wait('its controller has not seen its last change'),
    ],
    ['accepted in this state', route({ conditions: [{ ...accepted, observedGeneration: 2 }] }), done],
    [
      'a definition that is not served yet',
      {
        apiVersion: 'apiextensions.k8s.io/v1',
        kind: 'CustomResourceDefinition',
        status: { conditions: [{ type: 'Established', status: 'False' }] },
      },
      wait('Established=False'),
    ],
    [
      'with a status that makes no sense',
      { apiVersion: 'v1', kind: 'Odd', status: { conditions: 'none', parents: [null, 3] } },
      done,
    ],
  ])('%s', (_, object, look) => {
    expect(acceptance(object)).toEqual(look)
  })
})
