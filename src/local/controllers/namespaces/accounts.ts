import { isDeepStrictEqual } from 'node:util'
import type { Controller, Environment } from '../core/controller.ts'
import {
  CONFIG_MAPS,
  isDeleting,
  NAMESPACES,
  ownKey,
  read,
  refOf,
  SERVICE_ACCOUNTS,
  splitKey,
  typeOf,
} from '../core/kinds.ts'

const ROOT_CA_MAP = 'kube-root-ca.crt'
const DEFAULT_ACCOUNT = 'default'
const ROOT_CA_NOTE =
  'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints. It is kept by ambit.'

/** Every namespace has the account `default` and the certificate of the API's authority, also after somebody deletes them. */
export function namespaceAccounts({ access }: Environment, caCertificatePem: string): Controller {
  const namespaceOf =
    (name: string) =>
    ({ object }: { readonly object: { readonly metadata: { readonly name: string; readonly namespace?: string } } }) =>
      object.metadata.name === name && object.metadata.namespace !== undefined ? [object.metadata.namespace] : []

  return {
    name: 'namespace-accounts',
    watches: [
      { kind: NAMESPACES, keysOf: ownKey },
      { kind: SERVICE_ACCOUNTS, keysOf: namespaceOf(DEFAULT_ACCOUNT) },
      { kind: CONFIG_MAPS, keysOf: namespaceOf(ROOT_CA_MAP) },
    ],
    async reconcile(key) {
      const namespace = read(access, NAMESPACES, key)
      if (namespace === undefined || isDeleting(namespace)) return undefined
      const { name } = splitKey(key)
      if (access.get(refOf(SERVICE_ACCOUNTS, name, DEFAULT_ACCOUNT)) === undefined) {
        const metadata = { name: DEFAULT_ACCOUNT, namespace: name }
        await access.create({ ...typeOf(SERVICE_ACCOUNTS), metadata })
      }
      const data = { 'ca.crt': caCertificatePem }
      const map = read(access, CONFIG_MAPS, `${name}/${ROOT_CA_MAP}`)
      if (map === undefined) {
        const annotations = { 'kubernetes.io/description': ROOT_CA_NOTE }
        await access.create({
          ...typeOf(CONFIG_MAPS),
          metadata: { name: ROOT_CA_MAP, namespace: name, annotations },
          data,
        })
      } else if (!isDeepStrictEqual(map.data, data)) {
        await access.update({ ...map, data })
      }
      return undefined
    },
  }
}
