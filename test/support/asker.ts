import { parseSpiffeId } from '#shared/model'
import type { ByteChannel } from '#shared/net'
import type { Asker } from '../../src/waypoint/balance/index.ts'
import type { Fields, RequestHead } from '../../src/waypoint/codec/index.ts'
import { ip, service } from './mesh-builder.ts'

export interface AskerInput {
  readonly source?: string
  readonly method?: string
  readonly target?: string
  readonly fields?: readonly (readonly [name: string, value: string])[]
  readonly version?: RequestHead['version']
}

/** A client of a service and its request, as balancing looks at them. */
export function asker({ source = '10.9.9.9', ...head }: AskerInput): Asker {
  return {
    connection: {
      peer: parseSpiffeId('spiffe://cluster.local/ns/default/sa/client'),
      source: { ip: ip(source), port: 40_000 },
      destination: { kind: 'service', service: service({ name: 'web' }), port: 80, appProtocol: undefined },
      protocol: 'http1',
      channel: silentChannel(),
      baggage: undefined,
    },
    request: requestHead(head),
  }
}

export function requestHead({
  method = 'GET',
  target = '/',
  fields = [],
  version = 'HTTP/1.1',
}: Omit<AskerInput, 'source'> = {}): RequestHead {
  return { version, method, scheme: 'http', authority: 'web', target, upgrade: undefined, fields: listedFields(fields) }
}

/** Fields of a list; a test's own, so that it does not depend on a codec. */
export function listedFields(list: readonly (readonly [name: string, value: string])[]): Fields {
  let lines = [...list]
  return {
    get: (name) => lines.find(([one]) => one === name)?.[1],
    values: (name) => lines.filter(([one]) => one === name).map(([, value]) => value),
    has: (name) => lines.some(([one]) => one === name),
    set: (name, value) => {
      lines = [...lines.filter(([one]) => one !== name), [name, value]]
    },
    add: (name, value) => void lines.push([name, value]),
    remove: (name) => {
      lines = lines.filter(([one]) => one !== name)
    },
    forEach: (visit) => {
      for (const [name, value] of lines) visit(name, value)
    },
    copy: () => listedFields(lines),
  }
}

/** Nobody says anything on it. */
function silentChannel(): ByteChannel {
  return {
    start: () => {},
    write: () => {},
    isCongested: false,
    consumed: () => {},
    end: () => {},
    destroy: () => {},
    isClosed: false,
  }
}
