import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ExecChannel, ExecFrameReader, execFrame, MAX_EXEC_PAYLOAD_BYTES } from '#shared/control'

const channels: readonly ExecChannel[] = ['request', 'stdin', 'stdout', 'stderr', 'signal', 'end']
const frames = fc.array(
  fc.record({ channel: fc.constantFrom(...channels), payload: fc.uint8Array({ maxLength: 300 }) }),
  {
    maxLength: 8,
  },
)

describe('exec frames', () => {
  it('come back as they were written, however the bytes are split', () => {
    fc.assert(
      fc.property(frames, fc.array(fc.nat(2_500)), (written, cuts) => {
        const bytes = Buffer.concat(written.map(({ channel, payload }) => execFrame(channel, payload)))
        const reader = new ExecFrameReader()
        const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]
        const read = places.flatMap((place, i) => reader.read(bytes.subarray(places[i - 1] ?? 0, place)))
        expect(read.map(({ channel, payload }) => ({ channel, payload: Uint8Array.from(payload) }))).toEqual(written)
      }),
    )
  })

  it('are told whole at every single cut of one frame', () => {
    const bytes = execFrame('stdout', 'hello')
    for (let cut = 0; cut <= bytes.length; cut++) {
      const reader = new ExecFrameReader()
      const read = [...reader.read(bytes.subarray(0, cut)), ...reader.read(bytes.subarray(cut))]
      expect(read.map(({ payload }) => payload.toString())).toEqual(['hello'])
    }
  })

  it.each([
    ['an unknown channel', Buffer.from([99, 0, 0, 0, 0])],
    ['a frame longer than the limit', Buffer.from([1, ...lengthBytes(MAX_EXEC_PAYLOAD_BYTES + 1)])],
  ])('with %s are refused before they are buffered', (_what, bytes) => {
    expect(() => new ExecFrameReader().read(bytes)).toThrow(/exec/)
  })
})

function lengthBytes(length: number): readonly number[] {
  return [length >>> 24, (length >> 16) & 0xff, (length >> 8) & 0xff, length & 0xff]
}
