import { describe, expect, it } from 'vitest'
import { checkControlFrame } from '../../../../src/shared/http2/control-frames.ts'

const [PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE] = [2, 3, 4, 6, 7, 8]
const ACK = 1

describe('the header of a control frame', () => {
  it.each([
    ['PRIORITY', PRIORITY, 5, 1, 0],
    ['RST_STREAM', RST_STREAM, 4, 1, 0],
    ['empty SETTINGS', SETTINGS, 0, 0, 0],
    ['SETTINGS', SETTINGS, 36, 0, 0],
    ['SETTINGS ACK', SETTINGS, 0, 0, ACK],
    ['PING', PING, 8, 0, 0],
    ['GOAWAY without debug data', GOAWAY, 8, 0, 0],
    ['GOAWAY with debug data', GOAWAY, 300, 0, 0],
    ['WINDOW_UPDATE of the connection', WINDOW_UPDATE, 4, 0, 0],
    ['WINDOW_UPDATE of a stream', WINDOW_UPDATE, 4, 3, 0],
  ])('is taken: %s', (_name, type, length, streamId, flags) => {
    checkControlFrame(type as number, length, streamId, flags)
  })

  it.each([
    ['PRIORITY on stream 0', PRIORITY, 5, 0, 0, 1],
    ['RST_STREAM on stream 0', RST_STREAM, 4, 0, 0, 1],
    ['SETTINGS on a stream', SETTINGS, 0, 1, 0, 1],
    ['PING on a stream', PING, 8, 1, 0, 1],
    ['GOAWAY on a stream', GOAWAY, 8, 1, 0, 1],
    ['short PRIORITY', PRIORITY, 4, 1, 0, 6],
    ['long RST_STREAM', RST_STREAM, 5, 1, 0, 6],
    ['SETTINGS ACK with settings', SETTINGS, 6, 0, ACK, 6],
    ['long PING', PING, 70_000, 0, 0, 6],
    ['short GOAWAY', GOAWAY, 7, 0, 0, 6],
    ['long WINDOW_UPDATE', WINDOW_UPDATE, 8, 0, 0, 6],
    ['thousands of settings', SETTINGS, 6_000, 0, 0, 11],
    ['GOAWAY with a book in it', GOAWAY, 6_000, 0, 0, 11],
  ])('ends the connection: %s', (_name, type, length, streamId, flags, h2Code) => {
    expect(() => checkControlFrame(type as number, length, streamId, flags)).toThrow(
      expect.objectContaining({ scope: 'connection', h2Code }),
    )
  })
})
