import type { Schema } from '../../src/local/apiserver/schema/index.ts'

const text: Schema = { type: 'string' }
const number: Schema = { type: 'integer', format: 'int32' }
const texts: Schema = { type: 'object', additionalProperties: text }
const object = (properties: Record<string, Schema>, more: Schema = {}): Schema => ({
  type: 'object',
  properties,
  ...more,
})

function keyedList(
  mergeKey: string,
  items: Schema,
  mapKeys: readonly string[] = [mergeKey],
  strategy = 'merge',
): Schema {
  return {
    type: 'array',
    items,
    'x-kubernetes-list-type': 'map',
    'x-kubernetes-list-map-keys': mapKeys,
    'x-kubernetes-patch-strategy': strategy,
    'x-kubernetes-patch-merge-key': mergeKey,
  }
}

const containerSchema = object({
  name: text,
  image: text,
  args: { type: 'array', items: text, 'x-kubernetes-list-type': 'atomic' },
  env: keyedList('name', object({ name: text, value: { ...text } })),
  ports: keyedList(
    'containerPort',
    object({ name: text, containerPort: number, protocol: { type: 'string', default: 'TCP' } }),
    ['containerPort', 'protocol'],
  ),
  volumeMounts: keyedList('mountPath', object({ name: text, mountPath: text })),
  resources: object({ limits: texts, requests: texts }),
})

/** A Deployment as far as tests of merging need it, with the merge rules of the published API. */
export const deploymentSchema: Schema = object({
  apiVersion: text,
  kind: text,
  metadata: { type: 'object' },
  spec: object({
    replicas: number,
    paused: { type: 'boolean' },
    selector: object({ matchLabels: texts }, { 'x-kubernetes-map-type': 'atomic' }),
    strategy: object(
      { type: text, rollingUpdate: object({ maxSurge: { 'x-kubernetes-int-or-string': true } }) },
      { 'x-kubernetes-patch-strategy': 'retainKeys' },
    ),
    template: object({
      metadata: object({ labels: texts, annotations: texts }),
      spec: object({
        containers: keyedList('name', containerSchema),
        volumes: keyedList(
          'name',
          object({
            name: text,
            emptyDir: object({ medium: text }),
            configMap: object({ name: text }),
            secret: object({ secretName: text }),
          }),
          ['name'],
          'merge,retainKeys',
        ),
        tolerations: {
          type: 'array',
          'x-kubernetes-list-type': 'atomic',
          items: object({ key: text, operator: text }),
        },
        nodeSelector: { ...texts, 'x-kubernetes-map-type': 'atomic' },
      }),
    }),
  }),
  status: object({
    replicas: number,
    observedGeneration: number,
    conditions: keyedList('type', object({ type: text, status: text, reason: text })),
  }),
})
