import type { Schema } from '../../schema/index.ts'
import {
  defaulting,
  described,
  flag,
  free,
  integer,
  intOrString,
  list,
  listMap,
  localObjectReference,
  long,
  map,
  object,
  oneOf,
  quantity,
  text,
} from './form.ts'

const selected: Schema = object({ name: defaulting('', text), key: text, optional: flag }, ['key'])
export const fieldRef: Schema = object({ apiVersion: defaulting('v1', text), fieldPath: text }, ['fieldPath'])
export const resourceFieldRef: Schema = object(
  { containerName: text, resource: text, divisor: defaulting('0', quantity) },
  ['resource'],
)

const environment: Schema = listMap(
  ['name'],
  object(
    {
      name: text,
      value: text,
      valueFrom: object({ fieldRef, resourceFieldRef, configMapKeyRef: selected, secretKeyRef: selected }),
    },
    ['name'],
  ),
)

const handler: Readonly<Record<string, Schema>> = {
  exec: object({ command: list(text) }),
  httpGet: object(
    {
      path: defaulting('/', text),
      port: intOrString,
      host: text,
      scheme: defaulting('HTTP', oneOf(['HTTP', 'HTTPS'])),
      httpHeaders: list(object({ name: text, value: text }, ['name', 'value'])),
    },
    ['port'],
  ),
  tcpSocket: object({ port: intOrString, host: text }, ['port']),
}

const lifecycleHandler: Schema = object({ ...handler, sleep: object({ seconds: long }, ['seconds']) })

const probe: Schema = object({
  ...handler,
  grpc: object({ port: integer, service: defaulting('', text) }, ['port']),
  initialDelaySeconds: integer,
  timeoutSeconds: defaulting(1, integer),
  periodSeconds: defaulting(10, integer),
  successThreshold: defaulting(1, integer),
  failureThreshold: defaulting(3, integer),
  terminationGracePeriodSeconds: long,
})

export const resources: Schema = object({
  limits: map(quantity),
  requests: map(quantity),
  claims: listMap(['name'], object({ name: text, request: text }, ['name'])),
})

export const seccompProfile: Schema = object({ type: text, localhostProfile: text }, ['type'])
export const seLinuxOptions: Schema = object({ user: text, role: text, type: text, level: text })

const securityContext: Schema = object({
  allowPrivilegeEscalation: flag,
  appArmorProfile: seccompProfile,
  capabilities: object({ add: list(text), drop: list(text) }),
  privileged: flag,
  procMount: text,
  readOnlyRootFilesystem: flag,
  runAsGroup: long,
  runAsNonRoot: flag,
  runAsUser: long,
  seLinuxOptions,
  seccompProfile,
  windowsOptions: free,
})

const ports: Schema = listMap(
  ['containerPort', 'protocol'],
  object(
    {
      name: text,
      hostPort: integer,
      containerPort: integer,
      protocol: defaulting('TCP', oneOf(['TCP', 'UDP', 'SCTP'])),
      hostIP: text,
    },
    ['containerPort'],
  ),
)

const volumeMounts: Schema = listMap(
  ['mountPath'],
  object(
    {
      name: text,
      readOnly: flag,
      recursiveReadOnly: text,
      mountPath: text,
      subPath: text,
      mountPropagation: text,
      subPathExpr: text,
    },
    ['name', 'mountPath'],
  ),
)

const fields: Readonly<Record<string, Schema>> = {
  name: described('Name of the container; unique within the pod and not to be changed.', text),
  image: described('What the container runs.', text),
  command: described("Replaces the image's entry point; no shell runs it.", list(text)),
  args: described("Replaces the image's arguments.", list(text)),
  workingDir: text,
  ports,
  envFrom: list(
    object({
      prefix: text,
      configMapRef: object({ name: defaulting('', text), optional: flag }),
      secretRef: object({ name: defaulting('', text), optional: flag }),
    }),
  ),
  env: environment,
  resources: defaulting({}, resources),
  resizePolicy: list(object({ resourceName: text, restartPolicy: text }, ['resourceName', 'restartPolicy'])),
  restartPolicy: described('`Always` makes an init container a sidecar.', text),
  volumeMounts,
  volumeDevices: listMap(['devicePath'], object({ name: text, devicePath: text }, ['name', 'devicePath'])),
  livenessProbe: described('The container is restarted when this fails.', probe),
  readinessProbe: described('The pod gets no traffic while this fails.', probe),
  startupProbe: described('The other probes wait until this succeeds.', probe),
  lifecycle: object({ postStart: lifecycleHandler, preStop: lifecycleHandler, stopSignal: text }),
  terminationMessagePath: defaulting('/dev/termination-log', text),
  terminationMessagePolicy: defaulting('File', text),
  imagePullPolicy: oneOf(['Always', 'Never', 'IfNotPresent']),
  securityContext,
  stdin: flag,
  stdinOnce: flag,
  tty: flag,
}

export const container: Schema = object(fields, ['name'])
export const ephemeralContainer: Schema = object({ ...fields, targetContainerName: text }, ['name'])
export const pullSecrets: Schema = listMap(['name'], localObjectReference)
