import { objectMetaSchema, type Schema } from '../../schema/index.ts'
import { fieldRef, resourceFieldRef } from './container.ts'
import {
  defaulting,
  flag,
  free,
  integer,
  labelSelector,
  labels,
  list,
  listMap,
  localObjectReference,
  long,
  object,
  quantity,
  retainKeys,
  text,
} from './form.ts'

/** 0644 as the decimal that it is in JSON. */
const FILE_MODE = 420

const keyToPath: Schema = list(object({ key: text, path: text, mode: integer }, ['key', 'path']))
const downwardItems: Schema = list(object({ path: text, fieldRef, resourceFieldRef, mode: integer }, ['path']))
const mode: Schema = defaulting(FILE_MODE, integer)

const projectedSource: Schema = object({
  configMap: object({ name: defaulting('', text), items: keyToPath, optional: flag }),
  secret: object({ name: defaulting('', text), items: keyToPath, optional: flag }),
  downwardAPI: object({ items: downwardItems }),
  serviceAccountToken: object({ audience: text, expirationSeconds: defaulting(3600, long), path: text }, ['path']),
  clusterTrustBundle: object({ name: text, signerName: text, labelSelector, optional: flag, path: text }, ['path']),
})

export const claimSpec: Schema = object({
  accessModes: list(text),
  selector: labelSelector,
  resources: free,
  volumeName: text,
  storageClassName: text,
  volumeMode: text,
  dataSource: free,
  dataSourceRef: free,
  volumeAttributesClassName: text,
})

/** Kinds of volumes that no pod on one machine can have; known by name, so that the manifest is well formed. */
const elsewhere = [
  'awsElasticBlockStore',
  'azureDisk',
  'azureFile',
  'cephfs',
  'cinder',
  'fc',
  'flexVolume',
  'flocker',
  'gcePersistentDisk',
  'gitRepo',
  'glusterfs',
  'iscsi',
  'image',
  'photonPersistentDisk',
  'portworxVolume',
  'quobyte',
  'rbd',
  'scaleIO',
  'storageos',
  'vsphereVolume',
]

const volume: Schema = object(
  {
    name: text,
    emptyDir: object({ medium: text, sizeLimit: quantity }),
    configMap: object({ name: defaulting('', text), items: keyToPath, defaultMode: mode, optional: flag }),
    secret: object({ secretName: text, items: keyToPath, defaultMode: mode, optional: flag }),
    downwardAPI: object({ items: downwardItems, defaultMode: mode }),
    projected: object({ sources: list(projectedSource), defaultMode: mode }),
    hostPath: object({ path: text, type: defaulting('', text) }, ['path']),
    persistentVolumeClaim: object({ claimName: text, readOnly: flag }, ['claimName']),
    nfs: object({ server: text, path: text, readOnly: flag }, ['server', 'path']),
    csi: object({
      driver: text,
      readOnly: flag,
      fsType: text,
      volumeAttributes: labels,
      nodePublishSecretRef: localObjectReference,
    }),
    ephemeral: object({ volumeClaimTemplate: object({ metadata: objectMetaSchema, spec: claimSpec }) }),
    ...Object.fromEntries(elsewhere.map((name) => [name, free])),
  },
  ['name'],
)

export const volumes: Schema = retainKeys(listMap(['name'], volume))
