import type { ResourceDefinition } from '../types.ts'
import { age, column, define, listAt, status, textAt } from './define.ts'
import {
  defaulting,
  described,
  flag,
  free,
  kind,
  labels,
  list,
  object,
  objectReference,
  oneOf,
  quantity,
  status as statusSchema,
  text,
} from './schemas/form.ts'
import { claimSpec } from './schemas/volume.ts'

const RECLAIM = ['Delete', 'Recycle', 'Retain']

export const persistentVolumeClaim: ResourceDefinition = define({
  kind: 'PersistentVolumeClaim',
  shortNames: ['pvc'],
  isNamespaced: true,
  note: 'PersistentVolumeClaims stay Pending on one machine: nobody provides volumes; use emptyDir',
  schema: kind('A PersistentVolumeClaim asks for storage.', { spec: claimSpec, status: free }),
  columns: [
    column('Status', (one) => textAt(one, 'status', 'phase')),
    column('Volume', (one) => textAt(one, 'spec', 'volumeName')),
    column('Capacity', (one) => textAt(one, 'status', 'capacity', 'storage')),
    column('Access Modes', (one) => listAt(one, 'spec', 'accessModes').join(',')),
    column('StorageClass', (one) => textAt(one, 'spec', 'storageClassName')),
    age,
  ],
  subresources: status,
  prepare: (one, old) => (old === undefined ? { ...one, status: { phase: 'Pending' } } : one),
})

export const persistentVolume: ResourceDefinition = define({
  kind: 'PersistentVolume',
  shortNames: ['pv'],
  isNamespaced: false,
  note: 'PersistentVolumes are kept and bound to nothing on one machine; use emptyDir',
  schema: kind('A PersistentVolume is a piece of storage of the cluster.', {
    spec: {
      ...free,
      properties: {
        capacity: { type: 'object', additionalProperties: quantity },
        accessModes: list(text),
        persistentVolumeReclaimPolicy: defaulting('Retain', oneOf(RECLAIM)),
        storageClassName: text,
        volumeMode: defaulting('Filesystem', oneOf(['Block', 'Filesystem'])),
        claimRef: objectReference,
      },
    },
    status: statusSchema,
  }),
  columns: [
    column('Capacity', (one) => textAt(one, 'spec', 'capacity', 'storage')),
    column('Access Modes', (one) => listAt(one, 'spec', 'accessModes').join(',')),
    column('Reclaim Policy', (one) => textAt(one, 'spec', 'persistentVolumeReclaimPolicy')),
    column('Status', (one) => textAt(one, 'status', 'phase')),
    column('StorageClass', (one) => textAt(one, 'spec', 'storageClassName')),
    age,
  ],
  subresources: status,
  prepare: (one, old) => (old === undefined ? { ...one, status: { phase: 'Available' } } : one),
})

export const storageClass: ResourceDefinition = define({
  group: 'storage.k8s.io',
  kind: 'StorageClass',
  plural: 'storageclasses',
  shortNames: ['sc'],
  isNamespaced: false,
  note: 'StorageClasses are kept and provide nothing on one machine; use emptyDir',
  schema: kind(
    'A StorageClass says how volumes are made for claims.',
    {
      provisioner: described('Who makes the volumes.', text),
      parameters: labels,
      reclaimPolicy: defaulting('Delete', oneOf(RECLAIM)),
      mountOptions: list(text),
      allowVolumeExpansion: flag,
      volumeBindingMode: defaulting('Immediate', oneOf(['Immediate', 'WaitForFirstConsumer'])),
      allowedTopologies: list(object({ matchLabelExpressions: list(object({ key: text, values: list(text) })) })),
    },
    ['provisioner'],
  ),
  columns: [
    column('Provisioner', (one) => textAt(one, 'provisioner')),
    column('ReclaimPolicy', (one) => textAt(one, 'reclaimPolicy')),
    column('VolumeBindingMode', (one) => textAt(one, 'volumeBindingMode')),
    age,
  ],
})
