import { describe, expect, it } from 'vitest'
import { clientLimits, serverLimits } from '../../../../src/shared/http2/limits.ts'
import { announcedSettings, readSettings, type SettingPair } from '../../../../src/shared/http2/settings.ts'

function payload(pairs: readonly SettingPair[]): Buffer {
  const bytes = Buffer.alloc(pairs.length * 6)
  pairs.forEach(([id, value], i) => {
    bytes.writeUInt16BE(id, i * 6)
    bytes.writeUInt32BE(value, i * 6 + 2)
  })
  return bytes
}

describe('settings', () => {
  it('announce what ztunnel announces', () => {
    expect(announcedSettings(serverLimits, 'server')).toEqual([
      [4, 4 << 20],
      [5, 1 << 20],
      [6, 64 << 10],
      [3, 200],
    ])
    expect(announcedSettings(clientLimits, 'client')).toEqual([
      [4, 4 << 20],
      [5, 1 << 20],
      [6, 64 << 10],
      [2, 0],
    ])
  })

  it('announce what differs from the protocol', () => {
    const limits = { ...serverLimits, headerTableBytes: 0, isExtendedConnectEnabled: true }
    expect(announcedSettings(limits, 'server').slice(3)).toEqual([
      [1, 0],
      [3, 200],
      [8, 1],
    ])
  })

  it('are read in order, repeated ones and unknown ones too', () => {
    const pairs: SettingPair[] = [
      [4, 1],
      [4, 2],
      [99, 2 ** 32 - 1],
      [1, 0],
    ]
    const bytes = payload(pairs)
    expect(readSettings(bytes, 0, bytes.length, 'client')).toEqual(pairs)
    expect(readSettings(Buffer.alloc(0), 0, 0, 'client')).toEqual([])
  })

  it.each([
    ['half a setting', Buffer.alloc(5), 'client', 6],
    ['push neither on nor off', payload([[2, 2]]), 'client', 1],
    ['push enabled by a server', payload([[2, 1]]), 'server', 1],
    ['a window above 2^31-1', payload([[4, 2 ** 31]]), 'client', 3],
    ['a frame size below 16,384', payload([[5, 16_383]]), 'client', 1],
    ['a frame size above 2^24-1', payload([[5, 2 ** 24]]), 'client', 1],
    ['extended CONNECT neither on nor off', payload([[8, 2]]), 'client', 1],
  ] as const)('end the connection: %s', (_name, bytes, peer, h2Code) => {
    expect(() => readSettings(bytes, 0, bytes.length, peer)).toThrow(
      expect.objectContaining({ scope: 'connection', h2Code }),
    )
  })

  it.each([
    ['push enabled by a client', payload([[2, 1]])],
    ['the largest window', payload([[4, 2 ** 31 - 1]])],
    [
      'the smallest and the largest frame',
      payload([
        [5, 16_384],
        [5, 16_777_215],
      ]),
    ],
  ])('take %s', (_name, bytes) => {
    expect(readSettings(bytes, 0, bytes.length, 'client').length).toBeGreaterThan(0)
  })
})
