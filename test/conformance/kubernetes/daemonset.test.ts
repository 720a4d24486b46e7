/** What `daemonset/` installs, as an API server takes it from kubectl. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { hasKubectl, kubectl, startTestApi, type TestApi } from '../../support/kube-api.ts'
import type { Json } from '../../support/kube-client.ts'
import { DAEMONSET_FOLDER, listedFiles, readManifests } from '../../support/manifests.ts'

describe.skipIf(!hasKubectl(27))('the installation of a cluster', () => {
  let api: TestApi
  beforeAll(async () => {
    api = await startTestApi()
    // A dry run creates no namespace that the other objects could be in.
    expect((await kubectl(api, ['create', 'namespace', 'istio-system'])).code).toBe(0)
  })
  afterAll(() => api.close())

  it.each([[[]], [['--server-side']]])('is taken whole, with apply %j', async (how) => {
    const args = ['apply', ...how, '-k', DAEMONSET_FOLDER, '--dry-run=server', '-o', 'name']
    const { code, stdout, stderr } = await kubectl(api, args)
    expect(code, stderr).toBe(0)
    const remarks = stderr.split('\n').filter((line) => line !== '')
    // Client-side apply misses its own annotation on what another command has made.
    expect(remarks.filter((line) => !line.includes('missing the kubectl.kubernetes.io/last-applied'))).toEqual([])
    const names = readManifests(listedFiles()).map(({ metadata }) => metadata.name)
    expect(
      stdout
        .trim()
        .split('\n')
        .map((line) => line.split('/')[1])
        .sort(),
    ).toEqual(names.sort())
  })

  it('opens the metrics of the control plane when that is asked for', async () => {
    const folder = join(api.dir, 'with-monitoring')
    mkdirSync(folder)
    const from = (path: string): string => relative(folder, join(DAEMONSET_FOLDER, path))
    writeFileSync(
      join(folder, 'kustomization.yaml'),
      `resources: [${from('.')}]\ncomponents: [${from('monitoring')}]\n`,
    )
    const { stdout, stderr } = await kubectl(api, ['apply', '-k', folder, '--dry-run=server', '-o', 'json'])
    const { items } = JSON.parse(stdout || '{"items": []}')
    const one = (kind: string) => items.find((item: { kind: string }) => item.kind === kind)
    expect(one('Service')?.spec.ports, stderr).toMatchObject([{ port: 15_012 }, { port: 443 }, { port: 15_014 }])
    const [container] = one('Deployment').spec.template.spec.containers
    expect(container.env).toContainEqual({ name: 'AMBIT_MONITORING_BIND', value: 'all' })
  })

  it('takes the names of images from the kustomization that the guide shows', async () => {
    const folder = join(api.dir, 'my-mesh')
    mkdirSync(folder)
    const guide = readFileSync(join(DAEMONSET_FOLDER, '../docs/on-a-cluster.md'), 'utf8')
    const [shown = ''] = guide.split('```yaml\n# my-mesh/kustomization.yaml\n')[1]?.split('```') ?? []
    expect(shown).toContain('resources: [../ambit/daemonset]')
    const text = shown.replace('../ambit/daemonset', relative(folder, DAEMONSET_FOLDER))
    writeFileSync(join(folder, 'kustomization.yaml'), text)
    const { stdout, stderr } = await kubectl(api, ['apply', '-k', folder, '--dry-run=server', '-o', 'json'])
    const { items } = JSON.parse(stdout || '{"items": []}')
    const containers = items.flatMap((item: Json) => item.spec?.template?.spec.containers ?? [])
    const images = containers.map(({ image }: Json) => image).sort()
    expect(images, stderr).toEqual(
      ['istiod-lite', 'node-agent', 'ztunnel'].map((name) => `registry.example.com/mesh/${name}:0.1.0`),
    )
    const [istiod] = containers.filter(({ name }: Json) => name === 'discovery')
    expect(istiod.env.filter(({ name }: Json) => name === 'AMBIT_WAYPOINT_IMAGE')).toEqual([
      { name: 'AMBIT_WAYPOINT_IMAGE', value: 'registry.example.com/mesh/waypoint:0.1.0' },
    ])
    expect(istiod.env).toContainEqual({ name: 'TERMINATION_GRACE_PERIOD_SECONDS', value: '30' })
  })
})
