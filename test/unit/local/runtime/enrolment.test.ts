import { expect, it } from 'vitest'
import { type Namespace, type Pod, readObjects } from '#shared/k8s'
import { Enrolment, isEnrolled } from '../../../../src/local/runtime/enrolment.ts'

/** Never comes by itself. */
const never = (signal: AbortSignal): Promise<void> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))

it('a pod that is not enrolled waits for no capture', async () => {
  await new Enrolment(false).captured(() => Promise.reject(new Error('asked')), new AbortController().signal)
})

it('a pod that leaves the mesh while it waits for its capture waits no more', async () => {
  const enrolment = new Enrolment(true)
  const captured = enrolment.captured(never, new AbortController().signal)
  enrolment.set(true)
  enrolment.set(false)
  await captured
  expect(enrolment.isEnrolled).toBe(false)
})

it('a pod that is stopped while it waits is told so', async () => {
  const stop = new AbortController()
  const captured = new Enrolment(true).captured(never, stop.signal)
  stop.abort(new Error('stopped'))
  await expect(captured).rejects.toThrow('stopped')
})

it('is asked once more when only the enrolment was looked at again', async () => {
  let asked = 0
  const enrolment = new Enrolment(true)
  const captured = enrolment.captured((signal) => {
    asked++
    return asked === 1 ? never(signal) : Promise.resolve()
  }, new AbortController().signal)
  enrolment.set(false)
  enrolment.set(true)
  await captured
  expect(asked).toBe(2)
})

const [namespace, pod] = readObjects(
  `
apiVersion: v1
kind: Namespace
metadata: { name: shop, labels: { istio.io/dataplane-mode: ambient } }
---
apiVersion: v1
kind: Pod
metadata: { name: web, namespace: shop }
spec: { containers: [{ name: c, command: [x] }] }`,
  'test.yaml',
).objects as unknown as readonly [Namespace, Pod]

it('enrolment follows the labels of namespace and pod', () => {
  const bare: Namespace = { ...namespace, metadata: { ...namespace.metadata, labels: {} } }
  const out: Pod = { ...pod, metadata: { ...pod.metadata, labels: { 'istio.io/dataplane-mode': 'none' } } }
  expect([isEnrolled(pod, [namespace]), isEnrolled(pod, [bare]), isEnrolled(out, [namespace])]).toEqual([
    true,
    false,
    false,
  ])
})
