import { describe, expect, it } from 'vitest'
import { environmentOf } from '../../../../src/local/pod-plan/environment.ts'
import type { EnvFromSpec, EnvSpec } from '../../../../src/local/pod-plan/environment-spec.ts'

const maps: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'ConfigMap/settings': { color: 'red', 'with.dot': 'x', A: 'from the map' },
  'Secret/login': { password: 's3cret', zero: 'a\0b' },
}
const environment = (env: readonly EnvSpec[], envFrom: readonly EnvFromSpec[] = []): Readonly<Record<string, string>> =>
  environmentOf(
    { env, envFrom },
    {
      serviceLinks: { REDIS_SERVICE_HOST: '10.96.1.1' },
      namespace: 'shop',
      config: ({ kind, name }) => {
        const data = maps[`${kind}/${name}`]
        return data && new Map(Object.entries(data).map(([key, value]) => [key, Buffer.from(value)]))
      },
      field: (ref) => `field ${ref.kind}`,
      resource: ({ list, resource }) => `${list}.${resource}`,
    },
  )
const value = (name: string, text: string): EnvSpec => ({ name, source: { kind: 'value', value: text } })
const key = (kind: 'ConfigMap' | 'Secret', name: string, of: string, optional = false): EnvSpec => ({
  name: 'V',
  source: { kind: 'key', key: of, from: { kind, name, optional } },
})
const all = (kind: 'ConfigMap' | 'Secret', name: string, prefix = '', optional = false): EnvFromSpec => ({
  prefix,
  from: { kind, name, optional },
})

describe('the environment of a container', () => {
  it('is service links, then whole maps, then its own variables, each over those before it', () => {
    expect(
      environment([value('A', 'own'), value('REDIS_SERVICE_HOST', 'mine')], [all('ConfigMap', 'settings')]),
    ).toEqual({
      REDIS_SERVICE_HOST: 'mine',
      color: 'red',
      'with.dot': 'x',
      A: 'own',
    })
  })

  it('expands what was defined before: own variables and service links, not what came in whole', () => {
    const env = environment(
      [value('EARLY', '$(LATE)'), value('LATE', '$(REDIS_SERVICE_HOST) $(color)'), value('LAST', '$(LATE)')],
      [all('ConfigMap', 'settings')],
    )
    expect(env).toMatchObject({ EARLY: '$(LATE)', LATE: '10.96.1.1 $(color)', LAST: '10.96.1.1 $(color)' })
  })

  it('has keys of ConfigMaps and Secrets, fields of the pod, and resources', () => {
    expect(environment([key('ConfigMap', 'settings', 'color')]).V).toBe('red')
    expect(environment([key('Secret', 'login', 'password')]).V).toBe('s3cret')
    expect(
      environment([{ name: 'V', source: { kind: 'field', field: { kind: 'plain', field: 'metadata.name' } } }]).V,
    ).toBe('field plain')
    const resource = { containerName: '', list: 'limits', resource: 'cpu', divisor: '1' } as const
    expect(environment([{ name: 'V', source: { kind: 'resource', resource } }]).V).toBe('limits.cpu')
  })

  it('puts a prefix before each key that comes in whole', () => {
    expect(environment([], [all('ConfigMap', 'settings', 'CFG_')])).toMatchObject({
      CFG_color: 'red',
      'CFG_with.dot': 'x',
    })
  })

  it.each([
    ['a ConfigMap', [key('ConfigMap', 'none', 'k')], [], 'configmap "none" not found'],
    ['a key of one', [key('ConfigMap', 'settings', 'none')], [], "couldn't find key none in ConfigMap shop/settings"],
    ['a Secret', [key('Secret', 'none', 'k')], [], 'secret "none" not found'],
    ['a key of one', [key('Secret', 'login', 'none')], [], "couldn't find key none in Secret shop/login"],
    ['a whole ConfigMap', [], [all('ConfigMap', 'none')], 'configmap "none" not found'],
    [
      'a key of a map that is like a method',
      [key('ConfigMap', 'settings', 'toString')],
      [],
      "couldn't find key toString",
    ],
  ])('cannot be made without %s, as Kubernetes says it', (_what, env, envFrom, problem) => {
    expect(() => environment(env, envFrom)).toThrow(
      expect.objectContaining({ code: 'CONTAINER_CONFIG_INVALID', message: expect.stringContaining(problem) }),
    )
  })

  it.each([
    ['a ConfigMap', [key('ConfigMap', 'none', 'k', true)], []],
    ['a key', [key('Secret', 'login', 'none', true)], []],
    ['a whole Secret', [], [all('Secret', 'none', '', true)]],
  ])('goes without %s that is optional', (_what, env, envFrom) => {
    expect(environment(env, envFrom)).toEqual({ REDIS_SERVICE_HOST: '10.96.1.1' })
  })

  it('refuses a value that no process can have', () => {
    expect(() => environment([key('Secret', 'login', 'zero')])).toThrow('zero byte')
  })

  it('keeps a variable that is called like a part of every object', () => {
    expect(Object.entries(environment([value('__proto__', 'x')]))).toContainEqual(['__proto__', 'x'])
  })
})
