import { describe, expect, it } from 'vitest'
import type { ConnectedClient, SentResponse } from '#shared/xds'
import { ClientLog, syncState } from '../../../../src/istiod-lite/push/client-log.ts'
import { FakeClock } from '../../../support/fake-clock.ts'

const client: ConnectedClient = {
  id: 1,
  peer: { address: '127.0.0.1:1', principal: undefined },
  node: { id: 'n', metadata: {} },
  connectedAtMs: 0,
}
const mark = (push: number) => ({ push, changedAtMs: 0, toldAtMs: 0 })
const response = (nonce: string, push: number, changed: readonly string[], removed: readonly string[] = []) =>
  ({
    typeUrl: 't',
    nonce,
    bytes: 0,
    since: mark(push),
    changed: changed.map((name) => ({ name, version: '1', aliases: [], body: new Uint8Array() })),
    removed,
  }) satisfies SentResponse

function books(newestPush = 1): { readonly log: ClientLog; state(behind?: ReturnType<typeof mark>): string } {
  const log = new ClientLog(new FakeClock(), () => newestPush)
  log.connected(client)
  return { log, state: (behind) => syncState(log.progress(1, 't'), behind) }
}

describe('the state of a client', () => {
  it('goes from not sent over stale to synced, and is stale while a change waits', () => {
    const { log, state } = books()
    expect(state()).toBe('NOT SENT')
    log.sent(client, response('1', 0, ['a']))
    expect(state(mark(0))).toBe('STALE')
    log.acknowledged(client, 't', '1')
    expect(state()).toBe('SYNCED')
    expect(state(mark(2))).toBe('STALE')
  })

  it('stays refused until what was refused is taken, whatever else is', () => {
    const { log, state } = books()
    log.sent(client, response('1', 1, ['a', 'b', 'c']))
    log.rejected(client, 't', '1', 'b: bad port')
    expect(state()).toBe('NACKED')
    log.sent(client, response('2', 2, ['a']))
    log.acknowledged(client, 't', '2')
    expect(state()).toBe('NACKED')
    expect(log.progress(1, 't')?.refusal?.message).toBe('b: bad port')
    log.sent(client, response('3', 3, ['b']))
    log.acknowledged(client, 't', '3')
    expect(state()).toBe('SYNCED')
  })

  it('is synced again when what was refused is gone', () => {
    const { log, state } = books()
    log.sent(client, response('1', 1, ['a', 'b']))
    log.rejected(client, 't', '1', 'b: bad')
    log.sent(client, response('2', 2, [], ['b']))
    log.acknowledged(client, 't', '2')
    expect(state()).toBe('SYNCED')
  })

  it('counts every resource as refused when the words name none', () => {
    const { log, state } = books()
    log.sent(client, response('1', 1, ['first', 'second']))
    log.rejected(client, 't', '1', 'no')
    log.sent(client, response('2', 2, ['first']))
    log.acknowledged(client, 't', '2')
    expect(state()).toBe('NACKED')
  })

  it('says which pushes were in what was refused', () => {
    const { log } = books(7)
    log.sent(client, response('1', 5, ['a']))
    log.rejected(client, 't', '1', 'a: no')
    expect(log.progress(1, 't')?.refusal).toMatchObject({ firstPush: 5, lastPush: 7, nonce: '1' })
  })

  it('is forgotten when the client leaves, and an answer that comes late is no matter', () => {
    const { log, state } = books()
    log.sent(client, response('1', 0, ['a']))
    log.disconnected(client)
    log.acknowledged(client, 't', '1')
    log.rejected(client, 't', '1', 'no')
    expect(state()).toBe('NOT SENT')
  })
})
