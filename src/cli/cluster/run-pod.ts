import { isRecord } from '#shared/document'
import { MeshError } from '#shared/errors'
import type { ApiDocument } from '#shared/kube-client'
import type { Look } from './until.ts'

/** On one machine: the folder that a pod's commands run in. */
export const FOLDER_ANNOTATION = 'ambit.dev/folder'
/** What `run` names the container, and the image of a command that comes from this machine. */
const CONTAINER = 'main'
const LOCAL_IMAGE = 'ambit/run'

export interface RunOrder {
  readonly namespace: string
  /** Undefined: made of the command's name. */
  readonly name: string | undefined
  readonly serviceAccount: string
  readonly node: string | undefined
  readonly labels: Readonly<Record<string, string>>
  readonly env: Readonly<Record<string, string>>
  readonly ports: readonly number[]
  readonly command: readonly string[]
  readonly place:
    | { readonly kind: 'folder'; readonly folder: string }
    | { readonly kind: 'image'; readonly image: string }
  /** The command is started again when it ends. */
  readonly isKept: boolean
}

/** One command as a pod. */
export function runPod(order: RunOrder): ApiDocument {
  const { namespace, name, serviceAccount, node, labels, env, ports, command, place, isKept } = order
  const app = appOf(order)
  return {
    metadata: {
      namespace,
      ...(name === undefined ? { generateName: `${app}-` } : { name }),
      labels: { app, ...labels },
      ...(place.kind === 'folder' ? { annotations: { [FOLDER_ANNOTATION]: place.folder } } : {}),
    },
    spec: {
      serviceAccountName: serviceAccount,
      restartPolicy: isKept ? 'Always' : 'Never',
      ...(node === undefined ? {} : { nodeName: node }),
      containers: [
        {
          name: CONTAINER,
          image: place.kind === 'image' ? place.image : LOCAL_IMAGE,
          ...(command.length === 0 ? {} : { command }),
          env: Object.entries(env).map(([key, value]) => ({ name: key, value })),
          ports: ports.map((port) => ({ containerPort: port })),
        },
      ],
    },
  }
}

/** What the pod is called, or its name begins with; its label `app`, and the name of its service. */
export function appOf({ name, command }: Pick<RunOrder, 'name' | 'command'>): string {
  return name ?? baseName(command)
}

/** A service for what `runPod` made. */
export function exposingService(order: RunOrder, port: number): ApiDocument {
  const app = appOf(order)
  return {
    metadata: { namespace: order.namespace, name: app, labels: { app } },
    spec: { selector: { app }, ports: [{ name: `tcp-${port}`, port, targetPort: port }] },
  }
}

/** Reasons of a waiting container that do not pass by themselves. */
const HOPELESS = [
  'CreateContainerConfigError',
  'CreateContainerError',
  'ErrImageNeverPull',
  'ErrImagePull',
  'ImagePullBackOff',
  'InvalidImageName',
  'RunContainerError',
]

/** Whether the command of such a pod has begun. @throws MeshError when it never will, with the reason */
export function startLook(pod: ApiDocument | undefined): Look {
  const state = containerState(pod)
  if (isRecord(state.running) || isRecord(state.terminated)) return { kind: 'done' }
  const { reason, message } = isRecord(state.waiting) ? state.waiting : {}
  const words = [reason, message].filter((part) => typeof part === 'string' && part !== '').join(': ')
  if (HOPELESS.includes(String(reason))) throw new MeshError('COMMAND_FAILED', `the command cannot start: ${words}`)
  const { phase, message: podMessage, reason: podReason } = statusOf(pod)
  if (phase === 'Failed')
    throw new MeshError('COMMAND_FAILED', `the pod failed: ${text(podMessage) || text(podReason) || words}`)
  return { kind: 'wait', reason: words || 'it has not been started' }
}

/** The status that the command ended with; undefined while it runs. @throws MeshError when the pod is gone */
export function endOf(pod: ApiDocument | undefined): number | undefined {
  const { terminated } = containerState(pod)
  if (!isRecord(terminated)) return undefined
  const { exitCode, signal } = terminated
  if (typeof exitCode === 'number') return exitCode
  return typeof signal === 'number' ? 128 + signal : 1
}

function containerState(pod: ApiDocument | undefined): Readonly<Record<string, unknown>> {
  if (pod === undefined) throw new MeshError('COMMAND_FAILED', 'the pod was deleted')
  const { containerStatuses } = statusOf(pod)
  const [first] = Array.isArray(containerStatuses) ? containerStatuses : []
  return isRecord(first) && isRecord(first.state) ? first.state : {}
}

function statusOf(pod: ApiDocument | undefined): Readonly<Record<string, unknown>> {
  return pod !== undefined && isRecord(pod.status) ? pod.status : {}
}

/** `/usr/bin/My_App` → `my-app`; `run` when nothing is left of it. */
function baseName(command: readonly string[]): string {
  const last = command[0]?.split('/').at(-1) ?? ''
  const name = last
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .replaceAll(/^[^a-z]+|-+$/g, '')
    .slice(0, 40)
    .replace(/-+$/, '')
  return name === '' ? 'run' : name
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
