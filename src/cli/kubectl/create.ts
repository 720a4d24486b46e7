import type { ApiResource } from '#shared/kube-client'
import type { Session } from './session.ts'

const NAMESPACE: ApiResource = { apiVersion: 'v1', kind: 'Namespace', resource: 'namespaces', namespaced: false }

export async function createNamespace(session: Session, name: string): Promise<void> {
  await session.connection.create(NAMESPACE, '', { metadata: { name } })
  session.say(`namespace/${name} created`)
}
