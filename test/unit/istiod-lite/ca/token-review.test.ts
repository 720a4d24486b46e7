import { beforeEach, describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { TokenReviewer } from '../../../../src/istiod-lite/ca/index.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

type Json = Record<string, unknown>

const extra = {
  'authentication.kubernetes.io/pod-name': ['ztunnel-a'],
  'authentication.kubernetes.io/pod-uid': ['uid-1'],
  'authentication.kubernetes.io/node-name': ['node-a'],
}
const user = {
  username: 'system:serviceaccount:istio-system:ztunnel',
  groups: ['system:serviceaccounts', 'system:serviceaccounts:istio-system', 'system:authenticated'],
  extra,
}
const good = { authenticated: true, audiences: ['istio-ca'], user }
const caller = {
  namespace: 'istio-system',
  serviceAccount: 'ztunnel',
  podName: 'ztunnel-a',
  podUid: 'uid-1',
  nodeName: 'node-a',
}

describe('whose a token is, as the cluster says', () => {
  let clock: FakeClock
  let asked: Json[]
  let answer: () => Promise<Json>
  let reviewer: TokenReviewer

  beforeEach(() => {
    clock = new FakeClock()
    asked = []
    answer = async () => ({ status: good })
    const create = async (_: unknown, __: string, document: Json): Promise<Json> => {
      asked.push(document)
      return answer()
    }
    reviewer = new TokenReviewer({ client: { create }, audience: 'istio-ca', clock })
  })

  it('is asked for its audience, and answered with account, pod and node', async () => {
    expect(await reviewer.authenticate('t')).toEqual(caller)
    expect(asked).toEqual([{ spec: { token: 't', audiences: ['istio-ca'] } }])
  })

  it('may not name the node: clusters before 1.30 do not', async () => {
    const { 'authentication.kubernetes.io/node-name': _, ...older } = extra
    answer = async () => ({ status: { ...good, user: { ...user, extra: older } } })
    expect(await reviewer.authenticate('t')).toEqual({ ...caller, nodeName: undefined })
  })

  it.each<[string, unknown, RegExp]>([
    [
      'does not know it',
      { authenticated: false, error: 'token has expired' },
      /does not know the token: token has expired/,
    ],
    ['says nothing', undefined, /no bound service-account token/],
    ['does not say yes', { ...good, authenticated: 'true' }, /does not know/],
    ['does not look at audiences', { authenticated: true, user }, /not for istio-ca/],
    ['knows it for another audience', { ...good, audiences: ['other'] }, /not for istio-ca/],
    ['knows a person', { ...good, user: { ...user, groups: ['system:authenticated'] } }, /no service account/],
    ['gives a strange name', { ...good, user: { ...user, username: 'system:node:a' } }, /no service account/],
    ['gives a longer name', { ...good, user: { ...user, username: `${user.username}:x` } }, /no service account/],
    ['gives no account', { ...good, user: { ...user, username: 'system:serviceaccount:a:' } }, /no service account/],
  ])('is nobody when it %s', async (_, status, reason) => {
    answer = async () => ({ status })
    await expect(reviewer.authenticate('t')).rejects.toThrow(reason)
    await expect(reviewer.authenticate('t')).rejects.toMatchObject({ code: 'CERTIFICATE_REFUSED' })
    expect(asked).toHaveLength(2)
  })

  it.each<[string, unknown, RegExp]>([
    ['knows no pod', { ...good, user: { ...user, extra: {} } }, /bound to no pod-name/],
    [
      'knows two pods',
      { ...good, user: { ...user, extra: { ...extra, 'authentication.kubernetes.io/pod-name': ['a', 'b'] } } },
      /bound to no pod-name/,
    ],
  ])('is an account that is no pod when it %s', async (_, status, reason) => {
    answer = async () => ({ status })
    await expect(reviewer.authenticate('t')).rejects.toThrow(reason)
    expect(await reviewer.account('t')).toEqual({ namespace: caller.namespace, serviceAccount: caller.serviceAccount })
    expect(asked).toHaveLength(1)
  })

  it('is nobody without a token, or with one that no cluster issues', async () => {
    await expect(reviewer.authenticate(undefined)).rejects.toThrow('no bearer token')
    await expect(reviewer.authenticate('x'.repeat(17_000))).rejects.toThrow('too long')
    expect(asked).toEqual([])
  })

  it('is remembered for ten seconds, and asked once for calls at the same time', async () => {
    await Promise.all([reviewer.authenticate('t'), reviewer.authenticate('t')])
    await clock.advance(9_999)
    await reviewer.authenticate('t')
    expect(asked).toHaveLength(1)
    await clock.advance(1)
    await reviewer.authenticate('t')
    expect(asked).toHaveLength(2)
  })

  it('is not known while the cluster does not answer, and known as soon as it does', async () => {
    answer = async () => {
      throw new MeshError('KUBE_API_UNREACHABLE', 'gone')
    }
    await expect(reviewer.authenticate('t')).rejects.toMatchObject({ code: 'KUBE_API_UNREACHABLE' })
    answer = async () => ({ status: good })
    expect(await reviewer.authenticate('t')).toEqual(caller)
  })

  it('is remembered for a bounded number of tokens, the oldest forgotten first', async () => {
    for (let i = 0; i < 1100; i++) await reviewer.authenticate(`t${i}`)
    await reviewer.authenticate('t1099')
    expect(asked).toHaveLength(1100)
    await reviewer.authenticate('t0')
    expect(asked).toHaveLength(1101)
  })
})
