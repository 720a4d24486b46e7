import { describe, expect, it } from 'vitest'
import type { HeaderList } from '#shared/http2'
import { clientOf } from '../../../../src/ztunnel/inbound/client.ts'
import { identity, meshOf, socket, workload } from '../../../support/mesh-builder.ts'

const known = workload({ name: 'known', addresses: ['10.0.1.1'], network: 'west' })
const BAGGAGE: HeaderList = [['baggage', 'k8s.namespace.name=far,k8s.deployment.name=caller,service.name=caller']]
const forwardedFrom = (network: string): HeaderList => [...BAGGAGE, ['x-forwarded-network', network]]

function whoIs(
  headers: HeaderList,
  change: { readonly network?: string; readonly isBaggageRead?: boolean } = {},
): string {
  const client = clientOf(meshOf([{ ...known, network: change.network ?? known.network }]), {
    source: socket('10.0.1.1:40000'),
    peer: identity('far/caller'),
    headers,
    network: 'west',
    isBaggageRead: true,
    ...change,
  })
  const { labels, party } = client
  return `${labels === undefined ? '-' : 'uid' in labels ? labels.uid : labels.workloadName} ${party.who.workload}`
}

describe('who opened a tunnelled connection', () => {
  it.each<[string, string, string]>([
    ['the workload at its address, whatever it says of itself', whoIs(BAGGAGE), 'Kubernetes//Pod/default/known known'],
    [
      'the same when it was forwarded from our own network',
      whoIs(forwardedFrom('west')),
      'Kubernetes//Pod/default/known known',
    ],
    ['… in whatever case it is written', whoIs(forwardedFrom('WEST')), 'Kubernetes//Pod/default/known known'],
    [
      'behind a gateway: who it says it is, as the address is the gateway’s',
      whoIs(forwardedFrom('east')),
      'caller caller',
    ],
    ['behind a gateway of a network without a name', whoIs(forwardedFrom('')), 'caller caller'],
    [
      'without a name on either side it is one network',
      whoIs(forwardedFrom(''), { network: '' }),
      'Kubernetes//Pod/default/known known',
    ],
    [
      'nobody behind a gateway when baggage is not read',
      whoIs(forwardedFrom('east'), { isBaggageRead: false }),
      '- undefined',
    ],
  ])('is %s', (_case, told, expected) => {
    expect(told).toBe(expected)
  })
})
