import { describe, expect, it } from 'vitest'
import { readWaypoint, waypointGateway, waypointLook } from '../../../../src/cli/cluster/index.ts'

const order = {
  name: 'waypoint',
  namespace: 'shop',
  className: 'istio-waypoint',
  traffic: undefined,
  revision: undefined,
  serviceAccount: undefined,
} as const
const gateway = waypointGateway(order)
const programmed = (status: string): object => ({
  status: { conditions: [{ type: 'Programmed', status, reason: 'AddressNotAssigned', message: 'wait' }] },
})

describe('a waypoint', () => {
  it('is a Gateway with the listener that istiod wants', () => {
    expect(gateway).toEqual({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata: { name: 'waypoint', namespace: 'shop' },
      spec: {
        gatewayClassName: 'istio-waypoint',
        listeners: [{ name: 'mesh', port: 15008, protocol: 'HBONE' }],
      },
    })
    expect(waypointGateway({ ...order, traffic: 'all', revision: 'canary', serviceAccount: 'cart' }).metadata).toEqual({
      name: 'waypoint',
      namespace: 'shop',
      labels: { 'istio.io/waypoint-for': 'all', 'istio.io/rev': 'canary' },
      annotations: { 'istio.io/for-service-account': 'cart' },
    })
  })

  it('of an account is for workloads unless it is said otherwise', () => {
    expect(waypointGateway({ ...order, serviceAccount: 'cart' }).metadata).toMatchObject({
      labels: { 'istio.io/waypoint-for': 'workload' },
    })
  })

  it('may be of the class that only Ambit serves', () => {
    const other = waypointGateway({ ...order, className: 'ambit-waypoint' })
    expect(other.spec).toMatchObject({ gatewayClassName: 'ambit-waypoint' })
    expect(readWaypoint(other)?.name).toBe('waypoint')
  })

  it('shows what its Gateway says, and defaults', () => {
    expect(readWaypoint(gateway)).toMatchObject({
      name: 'waypoint',
      namespace: 'shop',
      revision: 'default',
      traffic: 'service',
      programmed: { status: 'Unknown', message: 'no controller has taken it up' },
    })
    expect(readWaypoint({ ...gateway, ...programmed('False') })?.programmed.reason).toBe('AddressNotAssigned')
    expect(readWaypoint({ spec: { gatewayClassName: 'istio' } })).toBeUndefined()
  })

  it('serves once it is programmed, and says until then why not', () => {
    expect(waypointLook({ ...gateway, ...programmed('True') })).toEqual({ kind: 'done' })
    expect(waypointLook({ ...gateway, ...programmed('False') })).toEqual({
      kind: 'wait',
      reason: 'Programmed=False, AddressNotAssigned, wait',
    })
    expect(waypointLook(undefined)).toEqual({ kind: 'wait', reason: 'it does not exist' })
  })
})
