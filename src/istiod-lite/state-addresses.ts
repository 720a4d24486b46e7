import { isDeepStrictEqual } from 'node:util'
import type { EntryAddresses, Mesh } from './mesh/index.ts'
import { resourceOf } from './state-conditions.ts'
import type { StatusEdit, StatusPen, StatusSubject, StatusTopic } from './status/index.ts'

const SERVICE_ENTRIES = resourceOf('ServiceEntry')

/** Automatic addresses of ServiceEntries: written down, they stay whatever comes and goes beside them. */
export const ADDRESSES_TOPIC: StatusTopic = {
  name: 'addresses',
  resources: [SERVICE_ENTRIES],
  clear: (status) => (status.addresses === undefined ? undefined : { patch: { addresses: null }, events: [] }),
}

/** States the addresses of every entry that has some, now and as they change. Returns the unsubscribe. */
export function stateAddresses({ entryAddresses }: Pick<Mesh, 'entryAddresses'>, pen: StatusPen): () => void {
  return entryAddresses.subscribe((changes) => {
    for (const change of changes) {
      if (change.type === 'deleted') pen.unsay(subjectOf(change.key))
      else pen.say(subjectOf(change.key), editOf(change.value))
    }
  })
}

/** In Istio's form; the list is one field, so that whoever else writes it has to have read it. */
function editOf({ addresses }: EntryAddresses): StatusEdit {
  const wanted = addresses.map(({ host, value }) => ({ value, host }))
  return (status) =>
    isDeepStrictEqual(status.addresses, wanted) ? undefined : { patch: { addresses: wanted }, events: [] }
}

function subjectOf(key: string): StatusSubject {
  const [namespace = '', name = ''] = key.split('/')
  return { resource: SERVICE_ENTRIES, id: { namespace, name } }
}
