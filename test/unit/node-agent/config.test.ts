import { describe, expect, it } from 'vitest'
import { netnsSourceOf, readNodeAgentConfig } from '../../../src/node-agent/config.ts'

const base = { NODE_NAME: 'a', KUBECONFIG: '/k' }
const read = (env: Readonly<Record<string, string>>) => netnsSourceOf(readNodeAgentConfig({ ...base, ...env }, []))

describe('where the namespaces of pods are looked for', () => {
  it.each([
    [{ AMBIT_NETNS_DIR: '/n' }, { kind: 'folder', dir: '/n' }],
    [{ AMBIT_NETNS_RESOLVER: 'address' }, { kind: 'address', procDir: '/proc' }],
    [
      { AMBIT_NETNS_RESOLVER: 'cgroup', AMBIT_PROC_DIR: '/host/proc' },
      { kind: 'cgroup', procDir: '/host/proc' },
    ],
  ])('is decided by %j', (env, source) => expect(read(env)).toEqual(source))

  it.each([
    [{}, /AMBIT_NETNS_DIR must be set/],
    [{ AMBIT_NETNS_RESOLVER: 'address', AMBIT_NETNS_DIR: '/n' }, /cannot stand beside AMBIT_NETNS_RESOLVER=address/],
    [{ AMBIT_NETNS_RESOLVER: 'runtime' }, /must be one of folder, address, cgroup/],
    [{ AMBIT_NETNS_RESOLVER: 'address', AMBIT_PROC_DIR: '' }, /must not be empty/],
  ])('is refused for %j', (env, reason) => expect(() => read(env)).toThrow(reason))
})
