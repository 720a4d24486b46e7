import fc from 'fast-check'
import { expect, it } from 'vitest'
import { healthRequest, readHealthAnswer } from '../../src/local/kubelet/probe-grpc.ts'

/** A gRPC message with its prefix. */
function message(...fields: readonly (readonly number[])[]): Buffer {
  const body = Buffer.from(fields.flat())
  const prefix = Buffer.alloc(5)
  prefix.writeUInt32BE(body.length, 1)
  return Buffer.concat([prefix, body])
}

it('reads any bytes as a status or as none, and never throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      for (const answer of [Buffer.from(bytes), message([...bytes])]) {
        const status = readHealthAnswer(answer)
        expect(status === undefined || Number.isInteger(status)).toBe(true)
      }
    }),
  )
})

it('reads the status among fields that it does not know; the last one counts, and none is unknown', () => {
  const other = fc.oneof(
    fc.uint8Array({ maxLength: 100 }).map((bytes) => [0x12, bytes.length, ...bytes]),
    fc.integer({ min: 0, max: 127 }).map((value) => [0x18, value]),
  )
  fc.assert(
    fc.property(fc.array(other), fc.integer({ min: 0, max: 127 }), fc.array(other), (before, status, after) => {
      expect(readHealthAnswer(message(...before, [0x08, status], ...after))).toBe(status)
      expect(readHealthAnswer(message([0x08, 2], ...before, [0x08, status]))).toBe(status)
      expect(readHealthAnswer(message(...before))).toBe(0)
    }),
  )
})

it('asks for a service by its name, whatever that is', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (service) => {
      const asked = healthRequest(service)
      expect(asked.readUInt32BE(1)).toBe(asked.length - 5)
      const name = Buffer.from(service)
      if (name.length === 0) expect(asked.length).toBe(5)
      else expect(asked.subarray(-name.length).equals(name)).toBe(true)
    }),
  )
})
