import { describe, expect, it } from 'vitest'
import { type EarlyCause, earlyCause } from '../../../../src/ztunnel/reporting/index.ts'

describe('the cause of an early denial', () => {
  it.each<[string, EarlyCause]>([
    ['attempted recursive call to ourselves', 'own-port'],
    ['failed to fetch information about local workload: sa.ns (pod)', 'unknown-local-workload'],
    ['no healthy upstream: 10.9.0.1:80', 'no-healthy-upstream'],
    ['unknown waypoint: default/waypoint.example', 'unknown-waypoint'],
    ['unknown network gateway: default/gateway.example', 'unknown-gateway'],
    ['workload w is in network far, which has no network gateway', 'unknown-gateway'],
    ['no service or workload for hostname: no.where', 'unknown-hostname'],
    ['requested service web.example:80 found, but cannot resolve port', 'unresolved-port'],
    ['no port 81 of service default/web at Kubernetes//Pod/default/web', 'unresolved-port'],
    ['ip mismatch: 10.0.0.1 != 10.0.0.2', 'ip-mismatch'],
    ['expected method CONNECT, got GET', 'malformed-request'],
    ['no valid authority pseudo header: "x"', 'malformed-request'],
    ['tls handshake error: closed by the peer', 'tls'],
    ['peer is spiffe://other/ns/a/sa/b, expected trust domain cluster.local', 'tls'],
    ["client's certificate: CERT_HAS_EXPIRED", 'tls'],
    ['workload Kubernetes//Pod/a/b has no identity', 'no-identity'],
    ['no identity is known for workload Kubernetes//Pod/a/b', 'no-identity'],
    ['no certificate for spiffe://cluster.local/ns/a/sa/b: the CA did not answer within 5000 ms', 'no-identity'],
    ['no usable address for workload Kubernetes//Pod/a/b', 'no-address'],
    ['no usable address for hostname db.example', 'no-address'],
    ['db.example cannot be resolved: getaddrinfo ENOTFOUND db.example', 'no-address'],
    ['service web has no address to name in a PROXY header', 'no-address'],
    ['the control plane did not say within 5000 ms who /10.9.0.1 is', 'control-plane'],
    ['too many connections', 'too-many-connections'],
    ['internal error: x is not a function', 'internal-error'],
    ['something new', 'other'],
  ])('%s is called %s', (error, cause) => {
    expect(earlyCause(error)).toBe(cause)
  })
})
