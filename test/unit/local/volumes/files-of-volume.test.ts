import { describe, expect, it } from 'vitest'
import type { FilesPart } from '../../../../src/local/pod-plan/index.ts'
import { type FileSources, filesOfVolume } from '../../../../src/local/volumes/files-of-volume.ts'

const data = new Map([
  ['a', Buffer.from('1')],
  ['b', Buffer.from('2')],
])
const sources: FileSources = {
  namespace: 'shop',
  config: ({ name }) =>
    name === 'there' ? data : name === 'large' ? new Map([['x', Buffer.alloc(17 << 20)]]) : undefined,
  downward: (value) => `the ${value.kind}`,
  token: async ({ audience, lifeSeconds }) => ({ token: `token for ${audience}`, renewAtMs: lifeSeconds }),
}
const config = (
  name: string,
  items: readonly { key: string; path: string; mode?: number }[] = [],
  optional = false,
): FilesPart => ({
  kind: 'config',
  from: { kind: 'ConfigMap', name, optional },
  items: items.map(({ mode, ...rest }) => ({ ...rest, mode })),
})
const token = (lifeSeconds: number): FilesPart => ({
  kind: 'token',
  audience: 'x',
  lifeSeconds,
  path: `token-${lifeSeconds}`,
})
const filesOf = async (...parts: FilesPart[]): Promise<Record<string, string>> => {
  const { files } = await filesOfVolume({ kind: 'files', parts, mode: 0o644 }, sources)
  return Object.fromEntries([...files].map(([path, file]) => [path, `${file.content} ${file.mode.toString(8)}`]))
}

describe('the files of a volume', () => {
  it('are each key by its name, or those that are asked for by theirs', async () => {
    expect(await filesOf(config('there'))).toEqual({ a: '1 644', b: '2 644' })
    expect(await filesOf(config('there', [{ key: 'b', path: 'x//./y', mode: 0o400 }]))).toEqual({ 'x/y': '2 400' })
  })

  it('can come from several sources, of which the last counts', async () => {
    const named = { kind: 'field', field: { kind: 'plain', field: 'metadata.name' } } as const
    expect(
      await filesOf(
        config('there'),
        { kind: 'downward', items: [{ path: 'a', mode: undefined, value: named }] },
        token(600),
      ),
    ).toEqual({ a: 'the field 644', b: '2 644', 'token-600': 'token for x 644' })
  })

  it('are asked for again when the first token should be', async () => {
    const renewAt = async (...parts: FilesPart[]): Promise<number> =>
      (await filesOfVolume({ kind: 'files', parts, mode: 0o644 }, sources)).renewAtMs
    expect(await renewAt(token(600), token(60))).toBe(60)
    expect(await renewAt(config('there'))).toBe(Number.POSITIVE_INFINITY)
  })

  it.each([
    ['an object', config('none'), 'configmap "none" not found'],
    ['a key', config('there', [{ key: 'c', path: 'c' }]), 'references non-existent config key: c in configmap "there"'],
  ])('cannot be without %s that is missing, unless it is optional', async (_what, part, problem) => {
    await expect(filesOf(part)).rejects.toThrow(
      expect.objectContaining({ code: 'CONTAINER_CONFIG_INVALID', message: expect.stringContaining(problem) }),
    )
    if (part.kind !== 'config') return
    expect(await filesOf({ ...part, from: { ...part.from, optional: true } })).toEqual({})
  })

  it.each([
    [
      'both a file and a folder',
      config('there', [
        { key: 'a', path: 'x' },
        { key: 'b', path: 'x/y' },
      ]),
      'both a file and a folder',
    ],
    ['among the links that turn', config('there', [{ key: 'a', path: '..data' }]), 'cannot begin with'],
    ['too large', config('large'), 'more than'],
  ])('cannot be %s', async (_what, part, problem) => {
    await expect(filesOf(part)).rejects.toThrow(problem)
  })
})
