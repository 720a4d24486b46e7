import { describe, expect, it } from 'vitest'
import { MeshError } from '#shared/errors'
import { ListFields } from '../../../../src/waypoint/codec/index.ts'
import { MirrorCopy, MirroredBody, MOST_BEHIND_BYTES } from '../../../../src/waypoint/filters/mirror.ts'
import { HandBody, RecordedSink } from '../../../support/waypoint-requests.ts'

const BROKEN = new MeshError('UPSTREAM_RESET', 'gone')

const mirrored = (sink: RecordedSink | Promise<RecordedSink> = new RecordedSink()) => {
  const ended = { times: 0 }
  const copy = new MirrorCopy(sink, () => void ended.times++)
  const source = new HandBody()
  const main = new RecordedSink()
  new MirroredBody(source, [copy]).pipe(main)
  return { ended, source, main }
}

describe('a copy of a body', () => {
  it('gets what the endpoint gets, trailers too', () => {
    const copy = new RecordedSink()
    const { source, main, ended } = mirrored(copy)
    source.write('one ')
    source.write('two')
    source.end(new ListFields([['grpc-status', '0']]))
    expect(copy.text).toBe('one two')
    expect(main.text).toBe('one two')
    expect([copy.trailers?.get('grpc-status'), main.trailers?.get('grpc-status')]).toEqual(['0', '0'])
    expect(ended.times).toBe(1)
  })

  it('keeps a little for who is slow, and never holds the request up', () => {
    const copy = new RecordedSink()
    copy.takesMore = false
    const { source, main } = mirrored(copy)
    expect(source.write('a')).toBe(true)
    expect(source.write('b')).toBe(true)
    source.end()
    expect([copy.text, copy.isEnded]).toEqual(['a', false])
    expect([main.text, main.isEnded]).toEqual(['ab', true])
    copy.takesMore = true
    copy.onDrain?.()
    expect([copy.text, copy.isEnded]).toEqual(['ab', true])
  })

  it('waits for its connection', async () => {
    const copy = new RecordedSink()
    const { source } = mirrored(Promise.resolve(copy))
    source.write('early')
    source.end()
    await Promise.resolve()
    expect([copy.text, copy.isEnded]).toEqual(['early', true])
  })

  it('is given up when it is too far behind; the request goes on', () => {
    const copy = new RecordedSink()
    copy.takesMore = false
    const { source, main, ended } = mirrored(copy)
    source.write('a')
    source.write('b'.repeat(MOST_BEHIND_BYTES))
    expect(copy.error).toBeUndefined()
    source.write('c')
    source.end()
    expect(copy.error?.code).toBe('MIRROR_GIVEN_UP')
    expect(main.text.length).toBe(MOST_BEHIND_BYTES + 2)
    expect(main.isEnded).toBe(true)
    expect(ended.times).toBe(1)
  })

  it('is nobody’s loss when it cannot be sent', async () => {
    const { source, main, ended } = mirrored(Promise.reject(BROKEN))
    await Promise.resolve()
    await Promise.resolve()
    source.write('a')
    source.end()
    expect([main.text, main.isEnded, ended.times]).toEqual(['a', true, 1])
  })

  it('whose connection comes when it was given up is broken off', async () => {
    const copy = new RecordedSink()
    const { source } = mirrored(Promise.resolve(copy))
    source.write('a'.repeat(MOST_BEHIND_BYTES + 1))
    await Promise.resolve()
    expect(copy.error?.code).toBe('MIRROR_GIVEN_UP')
  })

  it('ends when its receiver wants no more', () => {
    const copy = new RecordedSink()
    const { source, main, ended } = mirrored(copy)
    source.write('a')
    copy.onUnwanted?.()
    source.write('b')
    source.end()
    expect([copy.text, main.text, ended.times]).toEqual(['a', 'ab', 1])
  })

  it('is broken off with the request', () => {
    const copy = new RecordedSink()
    const { source, main } = mirrored(copy)
    source.write('a')
    source.abort(BROKEN)
    expect(copy.error?.code).toBe('MIRROR_GIVEN_UP')
    expect(main.error).toBe(BROKEN)
  })

  it('is broken off when nobody sends the request', () => {
    const sink = new RecordedSink()
    const body = new HandBody()
    new MirroredBody(body, [new MirrorCopy(sink, () => {})]).discard()
    expect(sink.error?.code).toBe('MIRROR_GIVEN_UP')
    expect(body.isDiscarded).toBe(true)
  })

  it('leaves the request’s own pressure as it is', () => {
    const { source, main } = mirrored()
    main.takesMore = false
    expect(source.write('a')).toBe(false)
    main.takesMore = true
    main.onDrain?.()
    expect(source.drains).toBe(1)
    main.onUnwanted?.()
    expect(source.isUnwanted).toBe(true)
  })
})
