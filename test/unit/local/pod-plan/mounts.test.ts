import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { readSpec } from '../../../../src/local/pod-plan/index.ts'
import { planMounts } from '../../../../src/local/pod-plan/mounts.ts'
import { podOf } from './samples.ts'

let dir = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'ambit-mounts-'))
  for (const volume of ['data', 'files']) mkdirSync(join(dir, volume))
  mkdirSync(join(dir, 'files', '..1'))
  writeFileSync(join(dir, 'files', '..1', 'key'), '')
  symlinkSync('..1', join(dir, 'files', '..data'))
  symlinkSync('..data/key', join(dir, 'files', 'key'))
})
afterEach(() => rmSync(dir, { recursive: true }))

const planned = (mounts: string, hostPath = '/usr'): ReturnType<typeof planMounts> => {
  const volumes = `[{ name: data, emptyDir: {} }, { name: files, configMap: { name: m } }, { name: host, hostPath: ${hostPath.startsWith('{') ? hostPath : `{ path: ${hostPath} }`} }]`
  const { containers, volumes: read } = readSpec(
    podOf(`{ containers: [{ name: c, command: [a], volumeMounts: [${mounts}] }], volumes: ${volumes} }`),
  )
  return planMounts(containers[0]?.volumeMounts ?? [], read, dir, { NAME: 'pod-1', UP: '..' })
}

describe('what a container sees of its volumes', () => {
  it('is each of them at its path, outermost first, files of ConfigMaps never to be written', () => {
    expect(
      planned(
        '{ name: files, mountPath: /a/b/ }, { name: data, mountPath: a }, { name: data, mountPath: /r, readOnly: true }',
      ),
    ).toEqual([
      { source: join(dir, 'data'), target: '/a', isReadOnly: false },
      { source: join(dir, 'data'), target: '/r', isReadOnly: true },
      { source: join(dir, 'files'), target: '/a/b', isReadOnly: true },
    ])
  })

  it('can be one file of a volume, as it is now', () => {
    expect(planned('{ name: files, mountPath: /etc/key, subPath: key }')[0]?.source).toBe(
      join(dir, 'files', '..1', 'key'),
    )
  })

  it('can be a folder below an emptyDir, which is made, also by the name of a variable', () => {
    expect(planned('{ name: data, mountPath: /d, subPath: x/y }')[0]?.source).toBe(join(dir, 'data', 'x', 'y'))
    expect(statSync(join(dir, 'data', 'x', 'y')).isDirectory()).toBe(true)
    expect(planned('{ name: data, mountPath: /d, subPathExpr: logs/$(NAME) }')[0]?.source).toBe(
      join(dir, 'data', 'logs', 'pod-1'),
    )
  })

  it.each([
    ['{ name: files, mountPath: /d, subPath: none }', 'none does not exist'],
    ['{ name: data, mountPath: /d, subPathExpr: $(NO) }', 'unknown variable NO'],
    ['{ name: data, mountPath: /d, subPathExpr: $(UP)/x }', 'leads out of its volume'],
    ['{ name: data, mountPath: /d, subPathExpr: /$(NAME) }', 'leads out of its volume'],
  ])('cannot be %s', (mount, problem) => {
    expect(() => planned(mount)).toThrow(
      expect.objectContaining({ code: 'CONTAINER_CONFIG_INVALID', message: expect.stringContaining(problem) }),
    )
  })

  it.each(['out', 'out/hosts', 'out/new'])('is nothing that a link in the volume leads out to: %s', (subPath) => {
    symlinkSync('/etc', join(dir, 'data', 'out'))
    expect(() => planned(`{ name: data, mountPath: /d, subPath: ${subPath} }`)).toThrow(
      /leads out of its volume|goes through a link/,
    )
    expect(existsSync('/etc/new')).toBe(false)
  })

  it('can be a folder of this machine, when it is what it is said to be', () => {
    expect(planned('{ name: host, mountPath: /h }')).toEqual([{ source: '/usr', target: '/h', isReadOnly: false }])
    symlinkSync('/proc/self', join(dir, 'link'))
    expect(() => planned('{ name: host, mountPath: /h }', join(dir, 'link'))).toThrow('which cannot be shown')
    expect(() => planned('{ name: host, mountPath: /h }', '/no/such')).toThrow('does not exist on this machine')
    expect(() => planned('{ name: host, mountPath: /h }', '{ path: /usr, type: File }')).toThrow('/usr is no file')
  })
})
