import { expect, it } from 'vitest'
import { type Namespace, type Pod, readObjects } from '#shared/k8s'
import { isEnrolled } from '../../../../src/local/runtime/enrolment.ts'

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
