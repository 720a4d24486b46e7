import { describe, expect, it } from 'vitest'
import { readLocalConfig } from '../../../src/local/config.ts'

describe('the settings of the supervisor', () => {
  it('come as ambit up gives them', () => {
    const argv = [
      '--state-dir',
      '/s',
      '--nodes',
      '3',
      '--folders',
      '["/a","/b"]',
      '--image-file',
      '/i.yaml',
      '--program-env',
      '["istiod:A=b=c"]',
      '--api-fd',
      '4',
      '--port-opener-pid',
      '4711',
      '--lifeline-fd',
      '3',
    ]
    expect(readLocalConfig({ PATH: '/bin' }, argv)).toEqual({
      stateDir: '/s',
      nodes: 3,
      folders: ['/a', '/b'],
      imageFile: '/i.yaml',
      programEnv: [{ program: 'istiod-lite', name: 'A', value: 'b=c' }],
      apiFd: 4,
      portOpenerPid: 4711,
      lifelineFd: 3,
      path: '/bin',
      logFilter: 'info',
    })
  })

  it.each([
    ['a relative state folder', ['--state-dir', 's'], 'must be an absolute path'],
    ['no nodes', ['--nodes', '0'], 'from 1 to 253'],
    ['a relative folder', ['--folders', '["a"]'], 'a is no absolute path'],
    ['folders that are no list', ['--folders', '7'], 'must be a JSON list of texts'],
    ['a relative file of images', ['--image-file', 'i.yaml'], 'i.yaml is no absolute path'],
    ['an unknown program', ['--program-env', '["envoy:A=b"]'], 'one of istiod-lite, node-agent, ztunnel'],
    ['a variable without value', ['--program-env', '["ztunnel:A"]'], 'ztunnel:A is not PROGRAM:NAME=VALUE'],
  ])('refuse %s', (_what, argv, problem) => {
    expect(() => readLocalConfig({ AMBIT_STATE_DIR: '/s' }, argv)).toThrow(problem)
  })
})
