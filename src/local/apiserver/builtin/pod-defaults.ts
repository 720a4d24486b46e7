import { at, listAt, recordAt, textAt } from './define.ts'

type Fields = Readonly<Record<string, unknown>>

/** Defaults of a pod that depend on its other fields; those that do not are in the schema. */
export function filledPodSpec(spec: unknown): Fields {
  const fields = recordAt(spec)
  const account = textAt(spec, 'serviceAccountName') || textAt(spec, 'serviceAccount')
  return {
    ...fields,
    ...(account === '' ? {} : { serviceAccountName: account, serviceAccount: account }),
    ...filledList(fields, 'initContainers', filledContainer),
    ...filledList(fields, 'containers', (container) => filledContainer(container, fields.hostNetwork === true)),
    ...filledList(fields, 'volumes', filledVolume),
  }
}

function filledList(fields: Fields, name: string, fill: (item: unknown) => unknown): Fields {
  return Array.isArray(fields[name]) ? { [name]: listAt(fields, name).map((item) => fill(item)) } : {}
}

function filledContainer(container: unknown, isHostNetwork = false): Fields {
  const fields = recordAt(container)
  const resources = recordAt(fields.resources)
  const limits = recordAt(resources, 'limits')
  const ports = listAt(fields, 'ports').map((port) => {
    const needsHostPort = isHostNetwork && at(port, 'hostPort') === undefined
    return needsHostPort ? { ...recordAt(port), hostPort: at(port, 'containerPort') } : port
  })
  return {
    ...fields,
    ...(fields.imagePullPolicy === undefined ? { imagePullPolicy: pullPolicy(textAt(fields, 'image')) } : {}),
    // What is limited and not asked for is asked for whole.
    ...(Object.keys(limits).length === 0
      ? {}
      : { resources: { ...resources, requests: { ...limits, ...recordAt(resources, 'requests') } } }),
    ...(ports.length === 0 ? {} : { ports }),
  }
}

/** `latest`, also when it is not written, may change; other tags are taken to stay. */
function pullPolicy(image: string): string {
  if (image.includes('@')) return 'IfNotPresent'
  const tag = /:([^/:]+)$/.exec(image)?.[1] ?? 'latest'
  return tag === 'latest' ? 'Always' : 'IfNotPresent'
}

function filledVolume(volume: unknown): Fields {
  const fields = recordAt(volume)
  return Object.keys(fields).length === 1 && fields.name !== undefined ? { ...fields, emptyDir: {} } : fields
}
