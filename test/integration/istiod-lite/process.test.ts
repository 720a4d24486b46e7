import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { IstiodPlace } from '../../support/istiod.ts'
import { type RunningIstiod, spawnIstiod } from '../../support/istiod-process.ts'
import { podYaml } from '../../support/mesh-objects.ts'

let place: IstiodPlace
let processes: ChildProcess[]
beforeEach(async () => {
  place = await IstiodPlace.make()
  place.write('web.yaml', podYaml('web-1', '10.0.1.1'))
  processes = []
})
afterEach(async () => {
  for (const one of processes) one.kill('SIGKILL')
  await place.end()
})

const run = (env: Readonly<Record<string, string>>, ...args: readonly string[]): RunningIstiod => {
  const running = spawnIstiod(env, ...args)
  processes.push(running.process)
  return running
}

describe('the control plane as a process', () => {
  it('serves, and ends with 0 on SIGTERM', async () => {
    const { process: child, line } = run(place.env)
    expect(await line('serving')).toMatch(/info\tapp\tserving\tgrpc=\d+ http=\d+ monitoring=\d+ workloads=1/)
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
  })

  it('keeps its root when it is killed at any moment of its first start', async () => {
    for (const delayMs of [0, 150, 200, 250, 300]) {
      const { process: child } = run(place.env)
      await new Promise((wait) => setTimeout(wait, delayMs))
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    const first = run(place.env)
    await first.line('serving')
    const { rootPem } = place
    first.process.kill('SIGKILL')
    await once(first.process, 'exit')
    const second = run(place.env)
    await second.line('serving')
    expect(place.rootPem).toBe(rootPem)
  })

  it('takes flags, and names every wrong setting at once', async () => {
    const { process: child, lines } = run(
      { AMBIT_GRPC_PORT: 'x', AMBIT_CA_REFRESH: 'soon' },
      '--kube-dir',
      place.kubeDir,
      '--no-such',
      '1',
    )
    expect(await once(child, 'exit')).toEqual([1, null])
    expect(lines.join('\n')).toMatch(/--no-such is no flag/)
    for (const name of ['AMBIT_CA_REFRESH="soon"', 'AMBIT_GRPC_PORT="x"']) expect(lines.join('\n')).toContain(name)
  })

  it.each<[string, Record<string, string | undefined>, RegExp]>([
    ['two', { KUBECONFIG: '/k' }, /KUBECONFIG="\/k" cannot stand beside AMBIT_KUBE_DIR/],
    ['none', { AMBIT_KUBE_DIR: undefined }, /AMBIT_KUBE_DIR or KUBECONFIG must be set/],
    ['a folder but nobody who knows tokens', { AMBIT_TOKEN_JWKS: undefined }, /AMBIT_TOKEN_JWKS must be set with/],
    ['a folder but no place for the CA', { AMBIT_STATE_DIR: undefined }, /AMBIT_STATE_DIR must be set with/],
    ['no usable kubeconfig', { AMBIT_KUBE_DIR: undefined, KUBECONFIG: '/none' }, /kubeconfig \/none cannot be read/],
  ])('wants one place for its objects, and is told %s', async (_, env, message) => {
    const given = Object.entries({ ...place.env, ...env }).filter(([, value]) => value !== undefined)
    const { process: child, lines } = run(Object.fromEntries(given) as Record<string, string>)
    expect(await once(child, 'exit')).toEqual([1, null])
    expect(lines.join('\n')).toMatch(message)
  })

  it('ends with 1 and one sentence when it cannot start', async () => {
    const { process: child, lines } = run({ ...place.env, AMBIT_TOKEN_JWKS: `${place.dir}/none.json` })
    expect(await once(child, 'exit')).toEqual([1, null])
    expect(lines).toEqual([expect.stringMatching(/error\tapp\ttoken key set .*none\.json cannot be read: ENOENT/)])
  })

  it('ends while it waits for its folder', async () => {
    const { process: child, line } = run({ ...place.env, AMBIT_KUBE_DIR: `${place.dir}/later` })
    await line('cannot be read')
    child.kill('SIGTERM')
    expect(await once(child, 'exit')).toEqual([0, null])
  })
})
