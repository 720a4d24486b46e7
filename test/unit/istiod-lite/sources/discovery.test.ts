import { describe, expect, it } from 'vitest'
import { DerivedMesh } from '../../../support/derived-mesh.ts'
import { podYaml } from '../../../support/mesh-objects.ts'
import { objectsOf } from '../../../support/object-texts.ts'

const namespace = (labels: string): string =>
  `apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {${labels}}}\n`
const settings = (selector: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata: {mesh: "discoverySelectors: [${selector}]"}\n`
const chosen = settings('{matchLabels: {mesh: a}}')

describe('namespaces of the mesh', () => {
  const derived = new DerivedMesh()
  const put = (text: string): number => {
    for (const object of objectsOf([text])) derived.table.put(object)
    derived.graph.settle()
    return derived.mesh.workloads.size
  }
  const remove = (kind: string, key: string): number => {
    derived.table.delete(kind, key)
    derived.graph.settle()
    return derived.mesh.workloads.size
  }

  it('come and go with their labels, with the selectors, and with the settings as a whole', () => {
    expect(put(podYaml('web-1', '10.0.1.1'))).toBe(1)
    expect(put(chosen)).toBe(0)
    expect(put(namespace('mesh: b'))).toBe(0)
    expect(put(namespace('mesh: a'))).toBe(1)
    expect(put(podYaml('web-2', '10.0.1.2'))).toBe(2)
    expect(put(namespace('mesh: b'))).toBe(0)
    // What changes outside is known when it comes back.
    expect(remove('Pod', 'shop/web-2')).toBe(0)
    expect(put(podYaml('web-1', '10.0.1.9'))).toBe(0)
    expect(put(settings('{matchLabels: {mesh: b}}'))).toBe(1)
    expect(derived.mesh.workloads.list()).toMatchObject([{ name: 'web-1', addresses: ['10.0.1.9'] }])
    expect(remove('Namespace', 'shop')).toBe(0)
    expect(remove('MeshConfig', 'istio-system/istio')).toBe(1)
  })
})
