import { X509Certificate } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { type PeerChain, type RevocationList, readRevocationLists, revokedSerial } from '#shared/pki'
import { readFields } from '../../../../src/shared/pki/certificate.ts'
import { MemoryCa } from '../../../support/memory-ca.ts'

const decimal = (pem: string): string => BigInt(`0x${new X509Certificate(pem).serialNumber}`).toString()
const fieldsOf = (pem: string): ReturnType<typeof readFields> => readFields(new X509Certificate(pem).raw)
const lists = (...ders: readonly Buffer[]): readonly RevocationList[] => ders.flatMap(readRevocationLists)

describe('whether a chain is revoked', () => {
  const ca = new MemoryCa({ intermediates: 1 })
  const leaf = ca.issue(ca.id('shop', 'web')).leaf
  const [intermediate = ''] = ca.intermediatesPem
  const chain: PeerChain = {
    certificates: [fieldsOf(leaf.pem), fieldsOf(intermediate)],
    roots: [fieldsOf(ca.rootPem)],
  }
  /** Another authority of the same name. */
  const impostor = new MemoryCa({ intermediates: 1 })

  it.each<[string, readonly RevocationList[], boolean]>([
    ['no list: it is not', [], false],
    ['a list without it: it is not', lists(ca.revoke(['1'])), false],
    ['the leaf, by the intermediate', lists(ca.revoke([leaf.serialNumber])), true],
    ['the intermediate, by the root', lists(ca.revoke([decimal(intermediate)], 'root')), true],
    [
      'the leaf’s number, by the root: numbers are the issuer’s own',
      lists(ca.revoke([leaf.serialNumber], 'root')),
      false,
    ],
    ['by another key of the same name: not signed by the issuer', lists(impostor.revoke([leaf.serialNumber])), false],
    ['the second of several lists', lists(ca.revoke(['1']), ca.revoke([leaf.serialNumber])), true],
    [
      'a list that is past its next update: it still counts',
      lists(ca.revoke([leaf.serialNumber], 'signer', { thisUpdateMs: 1_000, nextUpdateMs: 2_000 })),
      true,
    ],
  ])('%s', (_case, known, isRevoked) => {
    expect(revokedSerial(chain, known) !== undefined).toBe(isRevoked)
  })
})
