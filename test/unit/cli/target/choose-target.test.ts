import { describe, expect, it } from 'vitest'
import { chooseTarget, type TargetFacts, type TargetFlags } from '../../../../src/cli/target/index.ts'

const facts: Omit<TargetFacts, 'flags'> = {
  cwd: '/work',
  kubeconfig: '',
  home: '/home/me',
  clusterHost: '',
  clusterPort: '',
  isMeshUp: () => false,
  exists: () => false,
}
const up = { isMeshUp: (dir: string) => dir === '/work/.ambit' }
const usual = { exists: (path: string) => path === '/home/me/.kube/config' }
const inCluster = { clusterHost: '10.0.0.1', clusterPort: '443' }
const chosen = (flags: TargetFlags, more: Partial<TargetFacts> = {}): ReturnType<typeof chooseTarget> =>
  chooseTarget({ ...facts, ...more, flags })

describe('the cluster that a command is meant for', () => {
  it.each<[string, TargetFlags, Partial<TargetFacts>, string, readonly string[], string | undefined]>([
    [
      'the one of --kubeconfig, before all else',
      { kubeconfig: 'a' },
      { ...up, kubeconfig: '/b' },
      '--kubeconfig a',
      ['/work/a'],
      undefined,
    ],
    ['--context of it', { kubeconfig: '/a', context: 'x' }, up, '--kubeconfig /a --context x', ['/a'], undefined],
    [
      '--context of the usual ones, although a mesh is up',
      { context: 'x' },
      { ...up, ...usual },
      '/home/me/.kube/config, --context x',
      ['/home/me/.kube/config'],
      undefined,
    ],
    [
      'the mesh that is up here, before KUBECONFIG',
      {},
      { ...up, kubeconfig: '/b' },
      'the mesh in /work/.ambit',
      ['/work/.ambit/kubeconfig'],
      '/work/.ambit',
    ],
    [
      'the mesh of --state',
      { state: '.ambit' },
      up,
      'the mesh in /work/.ambit',
      ['/work/.ambit/kubeconfig'],
      '/work/.ambit',
    ],
    ['all files of KUBECONFIG', {}, { ...usual, kubeconfig: '/b::/c' }, 'KUBECONFIG=/b::/c', ['/b', '/c'], undefined],
    [
      "the one in one's home",
      {},
      { ...usual, ...inCluster },
      '/home/me/.kube/config',
      ['/home/me/.kube/config'],
      undefined,
    ],
  ])('is %s', (_, flags, more, from, files, stateDir) => {
    const context = flags.context === undefined ? {} : { context: flags.context }
    expect(chosen(flags, more)).toEqual({ access: { kind: 'kubeconfig', files, ...context }, from, stateDir })
  })

  it('is the one that this runs in when there is nothing else', () => {
    expect(chosen({}, inCluster)).toEqual({
      access: { kind: 'in-cluster', host: '10.0.0.1', port: 443 },
      from: "this pod's service account",
      stateDir: undefined,
    })
  })

  it('is never another one when a folder was named that has no mesh', () => {
    expect(() => chosen({ state: 'other' }, { ...up, ...usual, kubeconfig: '/b' })).toThrow(
      'no mesh is up in /work/other; start one with "ambit up", or name its folder with --state',
    )
  })

  it.each<[string, Partial<TargetFacts>]>([
    ['nothing', {}],
    ['no home', { home: '' }],
    ['a port that is none', { clusterHost: 'a', clusterPort: 'x' }],
  ])('is refused with what to do when there is %s', (_, more) => {
    expect(() => chosen({}, more)).toThrow(
      /no mesh is up in \/work\/\.ambit, and there is no kubeconfig; start .*--kubeconfig/,
    )
  })
})
