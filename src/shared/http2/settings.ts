import { MAX_MAX_FRAME_BYTES, MAX_WINDOW_BYTES, MIN_MAX_FRAME_BYTES, SETTING_BYTES } from './frames.ts'
import { connectionError } from './h2-error.ts'
import { H2ErrorCode, type H2Limits } from './types.ts'

/** RFC 9113 §6.5.2, and RFC 8441 §3 for the last. */
export const Setting = {
  HEADER_TABLE_SIZE: 0x1,
  ENABLE_PUSH: 0x2,
  MAX_CONCURRENT_STREAMS: 0x3,
  INITIAL_WINDOW_SIZE: 0x4,
  MAX_FRAME_SIZE: 0x5,
  MAX_HEADER_LIST_SIZE: 0x6,
  ENABLE_CONNECT_PROTOCOL: 0x8,
} as const

export type SettingPair = readonly [id: number, value: number]

/** Which end speaks. */
export type Role = 'client' | 'server'

/** What we announce first; defaults of the protocol are left out. */
export function announcedSettings(limits: H2Limits, role: Role): SettingPair[] {
  const pairs: SettingPair[] = [
    [Setting.INITIAL_WINDOW_SIZE, limits.streamWindowBytes],
    [Setting.MAX_FRAME_SIZE, limits.maxFrameBytes],
    [Setting.MAX_HEADER_LIST_SIZE, limits.maxHeaderListBytes],
  ]
  if (limits.headerTableBytes !== 4096) pairs.push([Setting.HEADER_TABLE_SIZE, limits.headerTableBytes])
  if (role === 'client') pairs.push([Setting.ENABLE_PUSH, 0])
  else {
    pairs.push([Setting.MAX_CONCURRENT_STREAMS, limits.maxConcurrentStreams])
    if (limits.isExtendedConnectEnabled) pairs.push([Setting.ENABLE_CONNECT_PROTOCOL, 1])
  }
  return pairs
}

/**
 * Reads the payload of a SETTINGS frame; identifiers we do not know are left out.
 *
 * @param peer which end sent it: a server must not enable push
 * @throws H2Error of the connection for a value out of its range (§6.5.2) or a length not of whole settings
 */
export function readSettings(bytes: Buffer, start: number, end: number, peer: Role): SettingPair[] {
  if ((end - start) % SETTING_BYTES !== 0) throw connectionError(H2ErrorCode.FRAME_SIZE_ERROR, 'SETTINGS length')
  const pairs: SettingPair[] = []
  for (let at = start; at < end; at += SETTING_BYTES) {
    const id = bytes.readUInt16BE(at)
    const value = bytes.readUInt32BE(at + 2)
    checkSetting(id, value, peer)
    pairs.push([id, value])
  }
  return pairs
}

function checkSetting(id: number, value: number, peer: Role): void {
  switch (id) {
    case Setting.ENABLE_PUSH:
      if (value > 1 || (value === 1 && peer === 'server')) throw refused('ENABLE_PUSH', value)
      break
    case Setting.INITIAL_WINDOW_SIZE:
      if (value > MAX_WINDOW_BYTES)
        throw connectionError(H2ErrorCode.FLOW_CONTROL_ERROR, `SETTINGS INITIAL_WINDOW_SIZE is ${value}`)
      break
    case Setting.MAX_FRAME_SIZE:
      if (value < MIN_MAX_FRAME_BYTES || value > MAX_MAX_FRAME_BYTES) throw refused('MAX_FRAME_SIZE', value)
      break
    case Setting.ENABLE_CONNECT_PROTOCOL:
      if (value > 1) throw refused('ENABLE_CONNECT_PROTOCOL', value)
      break
  }
}

function refused(name: string, value: number): Error {
  return connectionError(H2ErrorCode.PROTOCOL_ERROR, `SETTINGS ${name} is ${value}`)
}
